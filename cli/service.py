"""`oarlock service`: the HTTP side, alone."""

from __future__ import annotations

import logging

import typer

from cli.console import FAILURE
from workers.settings import Settings


def service() -> None:
    """Run the HTTP side for workers elsewhere, with OARLOCK_REDIS_URL and OARLOCK_DATABASE_URL.

    `oarlock serve` runs this by itself, with a worker and a queue beside it.
    """
    # A server needs the web; the other commands start faster without it.
    from service.web_server import build_web_server

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings()
    settings.require_redis_url()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = build_web_server(settings)
    server.run()
    if not server.started:
        raise typer.Exit(FAILURE)
