"""The task that workers run, and the one place where every error becomes a job's state."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache

from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import (
    EncryptionKeyError,
    JobCancelledError,
    LeaseLostError,
    ModelChangedError,
    OarlockError,
    RuntimeUnavailableError,
    SeriesRefusedError,
    TemplateChangedError,
)
from workers.attempt import Workplace, run_attempt
from workers.database import open_engine
from workers.encryption.vault import open_vault
from workers.jobs import Failure, Job
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.prefetch import Prefetch
from workers.queue import MESSAGE_VERSION, RUN_JOB, build_queue
from workers.request_ids import request_id_now
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.settings import Settings
from workers.watchdog import note_look
from workers.worker_names import build_worker_name

log = logging.getLogger(__name__)

settings = Settings()
STARTED: set[int] = set()  # processes that have looked for a job; a fork takes it along

app = build_queue(settings.redis_url or "", settings.job_seconds_limit)


@app.task(name=RUN_JOB)  # type: ignore[untyped-decorator]  # Celery has no types
def run_job(message: Mapping[str, object]) -> None:
    """Run the job whose turn it is; the message only says that there is one."""
    if message.get("v") != MESSAGE_VERSION:
        log.error("a message of version %s was dropped; its job waits", message.get("v"))
        return
    request_id_now.set(None)  # what is done before the next claim is of no request
    note_look()
    place = open_workplace()
    worker = build_worker_name(os.getppid())
    try:
        give_up_earlier(place, worker)
        place.check_keys()
        job = place.leases.claim(worker)
        if job is None:
            place.prefetch.drop()  # whoever has that job by now, it is not this worker
        else:
            run_claimed(job, place)
    except LeaseLostError as error:
        log.warning("%s Nothing of it was kept.", error)
    except EncryptionKeyError as error:
        log.error("%s Until then jobs wait.", error)  # none is claimed that could only fail
    except SQLAlchemyError:
        log.exception("the database failed; the lease of a job that was running will expire")


def give_up_earlier(place: Workplace, worker: str) -> None:
    """Give up what the worker still holds, before this process claims for it.

    It is the worker's only child: at its first message a dead one held it, and from then on this
    one did, which could not write the job's end.
    """
    if os.getpid() in STARTED:
        place.leases.lose_worker(worker)
        return
    place.leases.lose_child(worker)
    STARTED.add(os.getpid())


def run_claimed(job: Job, place: Workplace) -> None:
    """Bring a claimed job to an end: done, refused, failed or cancelled, whatever happens."""
    request_id_now.set(job.request_id)
    log.info("job %s: attempt %d with %s", job.id, job.attempt, job.model_name)
    try:
        run_attempt(job, place)
        log.info("job %s: done", job.id)
    except JobCancelledError:
        place.leases.confirm_cancel(job)
        log.info("job %s: cancelled", job.id)
    except SeriesRefusedError as error:
        place.leases.refuse(job, Failure(error.fault, error.reason))
        log.info("job %s: refused, %s", job.id, error.fault)
    except (LeaseLostError, SQLAlchemyError):
        raise  # this process may not, or cannot, write the job's state
    except (
        ModelChangedError,
        TemplateChangedError,
        RuntimeUnavailableError,
        EncryptionKeyError,
    ) as error:
        # While a site brings its workers to a new version, another one may still have the old;
        # where a GPU was lost, another one has its own; and keys may be on their way, too.
        log.warning("job %s: %s It is tried again.", job.id, error)
        postpone(job, build_failure(error), place)
    except OSError as error:
        log.exception("job %s: the disk or a share failed; it is tried again", job.id)
        postpone(job, build_failure(error), place)
    except Exception as error:
        log.exception("job %s: failed", job.id)
        place.leases.fail(job, build_failure(error))


def postpone(job: Job, failure: Failure, place: Workplace) -> None:
    """Try a job again later, unless somebody has cancelled it meanwhile."""
    try:
        place.leases.postpone(job, failure)
    except JobCancelledError:
        place.leases.confirm_cancel(job)


def build_failure(error: Exception) -> Failure:
    """The reason a job shows for an error."""
    if isinstance(error, OarlockError):
        return Failure(error.code, str(error))
    if isinstance(error, MemoryError):
        return Failure(
            "out-of-memory",
            "The worker ran out of memory: give it more, or send a smaller series, then retry.",
        )
    if isinstance(error, SoftTimeLimitExceeded):
        return Failure(
            "time-limit",
            f"The job took longer than {settings.job_seconds_limit} s: raise "
            "OARLOCK_JOB_SECONDS_LIMIT or use a faster machine, then retry.",
        )
    if isinstance(error, OSError):
        return Failure(
            "storage-failed",
            f"The worker could not read or write its files ({error.strerror or error}): see that "
            "the data folder is mounted, writable and not full, then retry the job.",
        )
    return Failure(
        "unexpected-error",
        f"An unexpected error stopped the job ({type(error).__name__}): read the worker's log.",
    )


@cache
def open_workplace() -> Workplace:
    """Stores and models of this process; opened after the fork, since neither survives one."""
    engine = open_engine(settings.sql_url)
    leases = LeaseStore(engine, settings.lease_seconds, settings.attempt_limits)
    series = SeriesStore(settings.data)
    vault = open_vault(settings, engine)
    return Workplace(
        leases=leases,
        series=series,
        results=ResultStore(settings.data),
        predictors=Predictors(
            settings.model_folders,
            settings.threads,
            settings.runtime,
            settings.engine_folder,
            settings.model_keys,
        ),
        prefetch=Prefetch(leases, series, settings.read_ahead_bytes),
        template_folders=settings.template_folders,
        heartbeat_seconds=settings.heartbeat_seconds,
        holds_partial=settings.holds_partial,
        check_keys=vault.keys.check,
    )
