"""What is said of a request's body is judged before anything reads it."""

from __future__ import annotations

import re
from http import HTTPStatus

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contouring.errors import UploadTooLargeError, WrongBodyError
from service.problems import answer_error
from workers.limits import Limits

BRINGS_FILES = re.compile(r"/v1/(jobs|check|lint|rules/test)|/dicom-web/studies(/[^/]+)?")
"""Routes whose bodies go to the disk as they come, within limits of their own."""


class RequestGate:
    """ASGI middleware: no packed bodies, and none in memory that is longer than a limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limits: Limits = scope["app"].state.context.settings
        headers = Headers(scope=scope)
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            error = WrongBodyError("packed (Content-Encoding)", "it as it is")
            await answer_error(error)(scope, receive, send)
            return
        if BRINGS_FILES.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        most, announced = limits.json_bytes, headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > most:
            await answer_error(_too_large(most))(scope, receive, send)
            return
        await self._app(scope, _counted(receive, most), send)


def add_request_gate(app: FastAPI) -> None:
    """Put the gate before an app."""
    app.add_middleware(RequestGate)


def _counted(receive: Receive, most: int) -> Receive:
    received = 0

    async def count() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            # Of the framework's kind: it takes any other for a body that is no JSON.
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(_too_large(most)))
        return message

    return count


def _too_large(most: int) -> UploadTooLargeError:
    return UploadTooLargeError("The request's body", f"{most} bytes")
