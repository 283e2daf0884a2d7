"""The HTTP server: uvicorn with the guard before it, and TLS if the settings have a certificate."""

from __future__ import annotations

import asyncio.constants
import ssl
from functools import partial
from typing import Any, cast

import uvicorn

from service.app import create_app
from service.http_guard import GuardedProtocol
from workers.settings import Settings


def build_http_server(settings: Settings, stop_seconds: int) -> uvicorn.Server:
    """A server that `run` starts; `stop_seconds`: for answers under way when it stops."""
    # A TLS handshake comes before any protocol, and uvicorn passes neither of these on.
    asyncio.constants.SSL_HANDSHAKE_TIMEOUT = settings.http_head_seconds
    asyncio.constants.SSL_SHUTDOWN_TIMEOUT = settings.http_head_seconds
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        http=cast("Any", partial(GuardedProtocol, limits=settings)),
        ws="none",  # one would leave the guard behind
        h11_max_incomplete_event_size=settings.http_head_bytes,
        timeout_graceful_shutdown=stop_seconds,
        access_log=False,  # addresses of requests name patients and studies
        log_config=None,  # its lines go where all others go
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        # Where no proxy is known, nobody may say in a header that he is somebody else.
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips=settings.proxy_addresses,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        config.ssl.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # of TLS 1.2
    return uvicorn.Server(config)
