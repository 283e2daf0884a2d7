"""Which job a worker will claim next is known before, by the order in which jobs are claimed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from workers import tables
from workers.database import writing
from workers.job_store import JobStore
from workers.jobs import Failure, NewJob, Priority
from workers.lease_store import LeaseStore

START = datetime(2026, 1, 1, 8, tzinfo=UTC)
QUEUES = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(Priority)), min_size=1, max_size=8
)  # minutes after START, priority


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(waiting=QUEUES)
def test_what_is_read_ahead_is_what_the_worker_claims_next(
    engine: Engine,
    leases: LeaseStore,
    new_job: Callable[..., NewJob],
    waiting: list[tuple[int, Priority]],
) -> None:
    """By one query: urgent before normal, but not for ever, and the older one first."""
    fill(engine, new_job, waiting)

    job = leases.claim("worker")
    while job is not None:
        hint = leases.find_next(job)
        leases.fail(job, Failure("code", "reason"))
        job = leases.claim("worker")

        assert hint == (job and job.series_digest)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(waiting=QUEUES, workers=st.integers(1, 4))
def test_workers_that_end_in_the_order_in_which_they_began_each_read_their_own_next(
    engine: Engine,
    leases: LeaseStore,
    new_job: Callable[..., NewJob],
    waiting: list[tuple[int, Priority]],
    workers: int,
) -> None:
    """Four workers that all read the same series ahead would have read three times for nothing."""
    fill(engine, new_job, waiting)
    running = [job for number in range(workers) if (job := leases.claim(f"worker {number}"))]

    hints = [leases.find_next(job) for job in running]
    claimed = []
    for job in running:
        leases.fail(job, Failure("code", "reason"))
        claimed.append(leases.claim(f"again {job.id}"))

    assert hints == [job and job.series_digest for job in claimed]


def fill(
    engine: Engine, new_job: Callable[..., NewJob], waiting: list[tuple[int, Priority]]
) -> None:
    """Only these jobs, put in line so many minutes after the start."""
    with writing(engine).begin() as connection:
        connection.execute(delete(tables.jobs))
    for number, (minutes, priority) in enumerate(waiting):
        now = START + timedelta(minutes=minutes)
        JobStore(engine, partial(datetime.fromtimestamp, now.timestamp(), UTC)).add(
            [new_job(f"series {number}", priority)]
        )
