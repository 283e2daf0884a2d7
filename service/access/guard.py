"""The door: before a request reaches any route, it is clear who sent it."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contouring.errors import AccessError, NotAuthenticatedError
from service.access.access import Access
from service.access.cross_site import refuse_cross_site
from service.access.declarations import no_key
from service.problems import answer_database_error, answer_oarlock_error
from service.uploads import find_address

EVENT_STREAM = b"text/event-stream"
LOOKED_AGAIN_SECONDS = 20.0  # whether somebody who follows a job may still do so


log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware: sets `request.state.principal`, and answers whoever is not let in.

    What somebody may do who is let in, each route decides (`service.access.declarations`).
    """

    def __init__(self, app: ASGIApp, open_paths: Collection[str]) -> None:
        self._app = app
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what somebody known has sent, and what is open."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # there are no websockets here
        request = Request(scope)
        access: Access = request.app.state.context.access
        refusal = await self._refuse(request, access)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif request.state.principal is None:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _Watch(request.headers, access, send))

    async def _refuse(self, request: Request, access: Access) -> Response | None:
        is_open = request.scope["path"] in self._open_paths
        request.state.principal = None
        try:
            await _identify(request, access)
        except (AccessError, SQLAlchemyError) as error:
            if is_open:
                request.state.principal = None
                return None  # a probe must not depend on a key, nor on the database
            if isinstance(error, SQLAlchemyError):
                return await answer_database_error(request, error)
            return await answer_oarlock_error(request, _count(request, access, error))
        if request.state.principal is None and not is_open:
            return await answer_oarlock_error(request, no_key())
        return None


class _Watch:
    """Sends an answer; a stream of events ends once whoever reads it is no longer let in."""

    def __init__(self, headers: Headers, access: Access, send: Send) -> None:
        self._headers = headers
        self._access = access
        self._send = send
        self._is_stream = False
        self._has_ended = False
        self._due = time.monotonic() + LOOKED_AGAIN_SECONDS

    async def __call__(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name == b"content-type"]
            self._is_stream = any(kind.startswith(EVENT_STREAM) for kind in kinds)
        if self._has_ended:
            return
        if self._is_stream and time.monotonic() >= self._due:
            self._due = time.monotonic() + LOOKED_AGAIN_SECONDS
            if not await self._is_still_let_in():
                self._has_ended = True
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _is_still_let_in(self) -> bool:
        try:
            await to_thread.run_sync(self._access.identify, self._headers)
        except (AccessError, SQLAlchemyError):
            return False
        return True


async def _identify(request: Request, access: Access) -> None:
    refuse_cross_site(request.method, request.headers)
    principal = await to_thread.run_sync(access.identify, request.headers)
    request.state.principal = principal  # whose refusal it is, too
    if principal is not None:
        access.limits.count_request(principal)


def _count(request: Request, access: Access, error: AccessError) -> AccessError:
    """A right key is let in however often its address has failed: many may share that."""
    if isinstance(error, NotAuthenticatedError):
        address = find_address(request)
        try:
            access.limits.count_failure(address)
        except AccessError as too_many:
            return too_many
        log.warning("a login from %s failed: %s", address, error.reason)
    return error
