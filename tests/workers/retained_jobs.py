"""Jobs that have ended, by a clock that tests turn."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine

from tests.workers.conftest import LIMITS
from workers.job_store import JobStore
from workers.jobs import Job, NewJob, OutputRecord
from workers.lease_store import LeaseStore, NewResult

CANARY = "CanaryOfThePatient"
START = datetime(2026, 1, 1, tzinfo=UTC)


OUTPUTS = (
    OutputRecord("eclipse", "eclipse.rtstruct.dcm"),
    OutputRecord("monaco", "monaco.rtstruct.dcm"),
)


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def finish_job(jobs: JobStore, engine: Engine, clock: Clock, new: NewJob) -> Job:
    """The job, done."""
    (job,) = jobs.add([new])
    leases = leases_at(engine, clock)
    claimed = leases.claim("worker")
    assert claimed is not None
    folder = f"{job.id}/{claimed.fence}"
    leases.finish(claimed, NewResult(folder, {}, OUTPUTS, (), (CANARY,), {}))
    return jobs.find(job.id)


def leases_at(engine: Engine, clock: Clock) -> LeaseStore:
    """Leases by the test's clock."""
    return LeaseStore(engine, 600.0, LIMITS, clock)
