"""A worker's process: `python -m workers.worker`, or `oarlock worker`."""

from __future__ import annotations

import logging

from celery.signals import setup_logging, worker_ready
from sqlalchemy.exc import SQLAlchemyError

import workers.stop_signal  # noqa: F401  # before Celery
from contouring.errors import EncryptionKeyError
from workers.audit.audit_store import AuditStore
from workers.audit.reporting import running
from workers.data_lock import sharing_data
from workers.database import migrate, open_engine
from workers.encryption.vault import open_vault
from workers.lease_store import LeaseStore
from workers.logs import set_up_logs
from workers.private_files import keep_files_private
from workers.publisher import Publisher
from workers.settings import Settings
from workers.tasks import app
from workers.watchdog import Watchdog
from workers.worker_names import build_worker_name, has_ended

log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> None:
    """Take jobs until the process is told to stop."""
    keep_files_private()
    set_up_logs(settings.log_format)
    setup_logging.connect(_leave_logs_alone, weak=False)
    settings.require_redis_url()
    with sharing_data(settings.data):
        _run(settings)


def _run(settings: Settings) -> None:
    engine = open_engine(settings.sql_url)
    migrate(engine)
    try:
        open_vault(settings, engine).close()
    except EncryptionKeyError as error:
        log.critical("%s", error)  # whoever reads the log must be told which
        raise SystemExit(1) from None
    engine.dispose()
    lose_predecessors(settings)
    watchdog = build_watchdog(settings)
    # Not before: a slow start is no deafness.
    worker_ready.connect(lambda **_: watchdog.watch(), weak=False)
    app.conf.worker_soft_shutdown_timeout = settings.stop_seconds
    # No connection of it outlives its use, for the worker forks.
    audit = AuditStore(open_engine(settings.sql_url, is_pooled=False))
    with running(audit, "worker"):
        try:
            app.worker_main(
                [
                    "worker",
                    "--loglevel=INFO",
                    "--hostname=oarlock@%h",
                    "--without-gossip",
                    "--without-mingle",
                    "--without-heartbeat",
                ]
            )
        finally:
            release_jobs(settings)


def _leave_logs_alone(**_: object) -> None:
    """Celery sets up logs of its own unless somebody hears of it."""


def lose_predecessors(settings: Settings) -> None:
    """Give up the workers of this machine that have ended, before their leases are over."""
    leases = open_leases(settings)
    for name in filter(has_ended, leases.find_workers()):
        log.warning("the job of %s, which has ended, is back in line", name)
        leases.lose_worker(name)


def build_watchdog(settings: Settings) -> Watchdog:
    """What ends this worker if it stops listening."""
    leases, worker = open_leases(settings), build_worker_name()
    publisher = Publisher(settings.require_redis_url(), settings.job_seconds_limit)

    def is_busy() -> bool:
        try:
            return leases.is_holding(worker)
        except SQLAlchemyError:
            return True  # without its database it could not work either

    return Watchdog(publisher.count_messages, is_busy, settings.watchdog_seconds)


def open_leases(settings: Settings) -> LeaseStore:
    """Leases, over a connection that no child of this process shares."""
    engine = open_engine(settings.sql_url, is_pooled=False)
    return LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)


def release_jobs(settings: Settings) -> None:
    """Put a job back in line that did not end in the time a stopping worker has."""
    try:
        if open_leases(settings).release_worker(build_worker_name()):
            log.warning("the worker stopped in the middle of a job, which is back in line")
    except SQLAlchemyError:
        log.exception("the job of this worker waits until its lease is over")


if __name__ == "__main__":
    run_worker(Settings())
