"""A purge beside others that want the same job or series, on a database that lets both go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event, select, update

from contouring.errors import WrongJobStateError
from tests.workers.retained_jobs import OUTPUTS, START, Clock, finish_job
from workers.job_store import JobStore
from workers.jobs import Job, JobState, NewJob
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.tables import jobs as jobs_table
from workers.tables import series

MOMENT_SECONDS = 1.0  # in which whoever does not wait for the purge is done

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """For what others do meanwhile."""
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def wanted(new_job: Callable[..., NewJob]) -> NewJob:
    """A job of a series."""
    return replace(new_job(), instances={"1.2.3.4.5": "a" * 64})


@pytest.fixture
def due(jobs: JobStore, engine: Engine, wanted: NewJob) -> Job:
    """The same, delivered long ago."""
    clock = Clock()
    job = finish_job(jobs, engine, clock, wanted)
    for output in OUTPUTS:
        RetentionStore(engine, Retention(), clock).note_delivery(job.id, output.template)
    return job


@pytest.fixture
def retention(engine: Engine) -> RetentionStore:
    """Of four days later."""
    return RetentionStore(engine, Retention(), lambda: START + timedelta(days=4))


def begin_within_purge(
    engine: Engine, threads: ThreadPoolExecutor, begin: Callable[[], Job]
) -> list[Future[Job]]:
    """Have somebody begin once the purge has found its jobs; what comes of that."""
    begun: list[Future[Job]] = []

    def look(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM results") and not begun:
            begun.append(threads.submit(begin))
            wait(begun, timeout=MOMENT_SECONDS)

    event.listen(engine, "before_cursor_execute", look)
    return begun


def test_a_job_that_is_put_under_legal_hold_at_this_moment_stays(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    threads: ThreadPoolExecutor,
    due: Job,
) -> None:
    """The hold was first, though the purge could not see it yet."""
    with engine.begin() as holding:
        held = update(jobs_table).where(jobs_table.c.id == due.id).values(legal_hold=True)
        holding.execute(held)
        purge = threads.submit(retention.purge)
        wait([purge], timeout=MOMENT_SECONDS)

    assert purge.result() == ()
    assert jobs.find(due.id).state is JobState.DONE


def test_nobody_is_told_of_a_hold_that_came_too_late(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    threads: ThreadPoolExecutor,
    due: Job,
) -> None:
    """He would rely on it."""
    begun = begin_within_purge(engine, threads, lambda: jobs.set_legal_hold(due.id, True))

    assert retention.purge() == (due.id,)
    with pytest.raises(WrongJobStateError):
        begun[0].result()


def test_a_series_that_comes_again_while_its_job_is_purged_is_a_new_job(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    threads: ThreadPoolExecutor,
    due: Job,
    wanted: NewJob,
) -> None:
    """Its sender is not told of a result that nobody can fetch."""
    begun = begin_within_purge(engine, threads, lambda: jobs.add([wanted])[0])

    retention.purge()
    again = begun[0].result()

    assert again.id != due.id
    assert jobs.find(again.id).state is JobState.PENDING


def test_what_a_new_job_of_the_same_series_consists_of_stays(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    threads: ThreadPoolExecutor,
    due: Job,
    wanted: NewJob,
) -> None:
    """A series for another model, which the purge cannot see yet."""
    other = replace(wanted, model_checksum="d" * 64)

    def purge(_connection: Connection, _jobs: object) -> None:
        wait([threads.submit(retention.purge)], timeout=MOMENT_SECONDS)

    jobs.add([other], purge)
    threads.shutdown()

    with engine.connect() as connection:
        kept = list(connection.scalars(select(series.c.digest)))
    assert jobs.find(due.id).state is JobState.PURGED
    assert kept == [other.series_digest]
