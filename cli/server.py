"""`oarlock serve`, `oarlock service` and `oarlock worker`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import typer
from sqlalchemy import Engine

from cli.console import FAILURE, err, out, warn
from models.bundles import RELEASED, find_bundles
from models.templates import find_templates
from workers.companion import Companion
from workers.data_lock import sharing_data
from workers.database import migrate, open_engine
from workers.encryption.vault import open_vault
from workers.job_templates import pick_templates
from workers.lease_store import LeaseStore
from workers.logs import set_up_logs
from workers.private_files import keep_files_private
from workers.redis_server import RedisServer
from workers.settings import Settings
from workers.supervisor import Supervisor

HTTP_STOP_SECONDS = 5  # for answers under way when the server stops
SERVICE_STOP_SECONDS = 10  # the same where nothing waits for it but other machines


def serve() -> None:
    """Run the whole server on this machine until Ctrl-C."""
    keep_files_private()
    settings = Settings()
    set_up_logs(settings.log_format)
    signal.signal(signal.SIGTERM, _exit_on_signal)
    with sharing_data(settings.data):
        _serve_all(settings)


def _serve_all(settings: Settings) -> None:
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


def service() -> None:
    """Run the HTTP side alone, with the queue at OARLOCK_REDIS_URL and workers elsewhere."""
    from service.access.safe_start import check_http_start
    from service.http_server import build_http_server
    from service.identities.border import check_identities

    keep_files_private()
    settings = Settings()
    set_up_logs(settings.log_format)
    settings.require_redis_url()
    with sharing_data(settings.data):
        engine = open_engine(settings.sql_url)
        migrate(engine)
        open_vault(settings, engine).close()  # a missing key shows at once
        check_http_start(settings, engine)
        check_identities(settings, engine)
        engine.dispose()
        out.print(f"Oarlock is at {settings.own_url}/", highlight=False)
        server = build_http_server(settings, SERVICE_STOP_SECONDS)
        with suppress(KeyboardInterrupt):
            server.run()
    if not server.started:
        raise typer.Exit(FAILURE)


def worker() -> None:
    """Run one worker for the server at OARLOCK_REDIS_URL and OARLOCK_DATABASE_URL."""
    # Opens the queue as it is imported.
    from workers.worker import run_worker

    run_worker(Settings())


def _serve(settings: Settings, redis_server: RedisServer | None) -> None:
    # A server needs the web; the other commands start faster without it.
    from service.access.safe_start import check_http_start, check_node_start
    from service.http_server import build_http_server
    from service.identities.border import check_identities

    find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    pick_templates(find_templates(settings.template_folders), settings.default_template_names)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    open_vault(settings, engine).close()
    check_http_start(settings, engine)
    check_identities(settings, engine)
    if settings.dimse_port is not None:
        check_node_start(settings)
    _make_first_key(settings, engine)
    os.environ.pop("OARLOCK_FIRST_KEY", None)  # worker and node have no need of it
    leases = LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)
    node = Companion("the DICOM node", [sys.executable, "-m", "cli", "dimse"])
    companions = [node] if settings.dimse_port is not None else []
    server = build_http_server(settings, HTTP_STOP_SECONDS)
    supervisor = Supervisor(redis_server, leases, settings.stop_seconds, companions)
    supervisor.start()
    out.print(f"Oarlock is at {settings.own_url}/", highlight=False)
    try:
        server.run()
    except KeyboardInterrupt:
        err.print("Stopping.")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        supervisor.stop()
    if not server.started:
        raise typer.Exit(FAILURE)


def _make_first_key(settings: Settings, engine: Engine) -> None:
    """A server that nobody could use yet gets an administrator's key; it is shown to a person."""
    from service.access.roles import Role
    from workers.key_store import FIRST, KeyStore

    store = KeyStore(engine)
    if settings.first_key is not None or settings.oidc_issuer is not None or store.has_any():
        return
    if not sys.stdout.isatty():
        warn("there is no key yet, and nobody to show one to: run `oarlock keys create`.")
        return
    key = store.make_first([Role.ADMINISTRATOR])
    if key is not None:
        out.print(f"The administrator's key ({FIRST}), shown this one time:", highlight=False)
        out.print(key, highlight=False, markup=False, soft_wrap=True)


def _exit_on_signal(_number: int, _frame: object) -> None:
    raise SystemExit(0)
