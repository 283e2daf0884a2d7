"""uvicorn with the guard before it: what `oarlock serve` and `oarlock service` run."""

from __future__ import annotations

import asyncio.constants
from functools import partial
from typing import Any, cast

import uvicorn

from service.app import create_app
from service.http_guard import GuardedProtocol
from workers.settings import Settings

HTTP_STOP_SECONDS = 5  # for answers under way when the server stops


def build_web_server(settings: Settings) -> uvicorn.Server:
    """The HTTP side at the address that the settings name, not yet started."""
    # A TLS handshake comes before any protocol, and uvicorn passes neither of these on.
    asyncio.constants.SSL_HANDSHAKE_TIMEOUT = settings.http_head_seconds
    asyncio.constants.SSL_SHUTDOWN_TIMEOUT = settings.http_head_seconds
    protocol = cast("Any", partial(GuardedProtocol, limits=settings))
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=protocol,
        ws="none",  # one would leave the guard behind
        h11_max_incomplete_event_size=settings.http_head_bytes,
        timeout_graceful_shutdown=HTTP_STOP_SECONDS,
        access_log=False,  # addresses of requests name patients and studies
    )
    return uvicorn.Server(config)
