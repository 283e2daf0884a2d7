"""ASGI middleware: what a request does is recorded as its sender's, and so is its refusal."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contouring.errors import AccessError, NotAuthenticatedError
from service.requester import find_requester, find_route
from workers.audit.actors import ANONYMOUS, acting_for
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent, Outcome

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


class AuditedRequests:
    """Says whose request it is for as long as it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a refusal is recorded before its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})  # the one that the door writes to

        async def note_refusal(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in REFUSED:
                await to_thread.run_sync(_note, scope, HTTPStatus(message["status"]))
            await send(message)

        with acting_for(partial(find_requester, scope)):
            await self._app(scope, receive, note_refusal)


def _note(scope: Scope, status: HTTPStatus) -> None:
    requester = find_requester(scope)
    is_login = status == HTTPStatus.UNAUTHORIZED or (
        status == HTTPStatus.TOO_MANY_REQUESTS and requester.person == ANONYMOUS
    )
    event = AuditEvent.LOGIN_FAILED if is_login else AuditEvent.ACCESS_REFUSED
    details = {"route": find_route(scope)}
    refusal = scope["state"].get("refusal")
    if isinstance(refusal, AccessError):
        details["fault"] = refusal.fault
    if isinstance(refusal, NotAuthenticatedError) and refusal.key_id is not None:
        details["key"] = refusal.key_id
    entry = AuditEntry(event, Outcome.SERIOUS_FAILURE, requester, details=details)
    scope["app"].state.context.refusals.note(entry)
