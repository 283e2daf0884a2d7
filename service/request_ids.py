"""Every request has an id: in its answer, in the lines of the log, with the job that it makes."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workers.request_ids import request_id_now

HEADER = "X-Request-ID"
_ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")  # what can do no harm in a log or a header


class RequestIds:
    """ASGI middleware: takes the id that a client brings, if it is one, or makes one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = Headers(scope=scope).get(HEADER, "")
        request_id = brought if _ALLOWED.fullmatch(brought) else str(uuid.uuid4())
        # Not taken back: each request has a context of its own, and what goes wrong is answered
        # and logged after this has returned.
        request_id_now.set(request_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
