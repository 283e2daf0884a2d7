"""`oarlock serve` and `oarlock worker`."""

from __future__ import annotations

import os
import signal
import sys

import typer

from cli.console import FAILURE, err, out
from models.bundles import RELEASED, find_bundles
from models.templates import find_templates
from workers.companion import Companion
from workers.database import migrate, open_engine
from workers.job_templates import pick_templates
from workers.lease_store import LeaseStore
from workers.logs import set_up_logs
from workers.redis_server import RedisServer
from workers.settings import Settings
from workers.supervisor import Supervisor

HTTP_STOP_SECONDS = 5  # for answers under way when the server stops


def serve() -> None:
    """Run the whole server on this machine until Ctrl-C."""
    settings = Settings()
    set_up_logs(settings.log_format)
    signal.signal(signal.SIGTERM, _exit_on_signal)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if settings.redis_url is not None:
        _serve(settings, None)
        return
    redis_server = RedisServer(settings.data / "redis")
    redis_server.start()
    os.environ["OARLOCK_REDIS_URL"] = redis_server.url  # for the worker, too
    try:
        _serve(Settings(), redis_server)
    finally:
        redis_server.stop()


def worker() -> None:
    """Run one worker for the server at OARLOCK_REDIS_URL and OARLOCK_DATABASE_URL."""
    # Opens the queue as it is imported.
    from workers.worker import run_worker

    run_worker(Settings())


def _serve(settings: Settings, redis_server: RedisServer | None) -> None:
    # A server needs the web; the other commands start faster without it.
    import uvicorn

    from service.app import create_app

    find_bundles((RELEASED, *settings.model_folders))
    pick_templates(find_templates(settings.template_folders), settings.default_template_names)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    leases = LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)
    node = Companion("the DICOM node", [sys.executable, "-m", "cli", "dimse"])
    companions = [node] if settings.dimse_port is not None else []
    supervisor = Supervisor(redis_server, leases, settings.stop_seconds, companions)
    supervisor.start()
    out.print(f"Oarlock is at http://{settings.host}:{settings.port}/", highlight=False)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        timeout_graceful_shutdown=HTTP_STOP_SECONDS,
        log_config=None,  # its lines go the way of all others
        access_log=False,  # addresses of requests name patients and studies
    )
    server = uvicorn.Server(config)
    try:
        server.run()
    except KeyboardInterrupt:
        err.print("Stopping.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.stop()
    if not server.started:
        raise typer.Exit(FAILURE)


def _exit_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(0)
