"""How long what came in is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.workers.arriving import PACS, receive
from tests.workers.retained_jobs import OUTPUTS, START, Clock, finish_job
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.job_store import JobStore
from workers.jobs import Job, NewJob
from workers.retention import Retention
from workers.retention_store import RetentionStore

RETENTION = Retention(delivered=timedelta(hours=72), ended=timedelta(days=14))


@pytest.fixture
def clock() -> Clock:
    """The clock of the stores."""
    return Clock()


@pytest.fixture
def retention(engine: Engine, clock: Clock) -> RetentionStore:
    """Deliveries and their ends."""
    return RetentionStore(engine, RETENTION, clock)


@pytest.fixture
def arrivals(engine: Engine, clock: Clock) -> ArrivalStore:
    """What comes in."""
    return ArrivalStore(engine, clock)


@pytest.fixture
def done(jobs: JobStore, engine: Engine, clock: Clock, new_job: Callable[..., NewJob]) -> Job:
    """A job that has a result."""
    return finish_job(jobs, engine, clock, new_job())


def deliver(retention: RetentionStore, job: Job) -> None:
    """All of its structure sets have left."""
    for output in OUTPUTS:
        retention.note_delivery(job.id, output.template)


def test_what_came_in_goes_with_the_last_job_of_it(
    retention: RetentionStore, arrivals: ArrivalStore, clock: Clock, done: Job
) -> None:
    """Rows of objects and arrivals name the patient's study."""
    verdict = Verdict(ArrivalState.ACCEPTED, job_ids=(done.id,))
    arrivals.note_whole(PACS, receive(range(3)), verdict)
    kept_before = retention.find_kept().instances
    deliver(retention, done)
    clock.now = START + timedelta(hours=72)

    retention.purge()

    assert len(kept_before) == 3
    assert retention.find_kept().instances == frozenset()
    assert arrivals.list_page(10) == ()


def test_what_came_of_a_series_before_its_job_goes_with_the_job(
    retention: RetentionStore, arrivals: ArrivalStore, clock: Clock, done: Job
) -> None:
    """A first half is part of it; what came of another series, or afterwards, is not."""
    half = Verdict(ArrivalState.INCOMPLETE, fault="goes-on")
    arrivals.note_whole(PACS, receive(range(2)), half)
    arrivals.note_whole(PACS, receive(range(4)), Verdict(ArrivalState.ACCEPTED, job_ids=(done.id,)))
    other = arrivals.note_whole(PACS, receive(range(1), series="1.2.4"), half)
    after = arrivals.note_whole(PACS, receive([0], version="corrected"), half)
    clock.now = START + timedelta(hours=72)
    retention.purge()
    kept_with_the_job = len(arrivals.list_page(10))
    deliver(retention, done)
    clock.now += timedelta(hours=72)

    retention.purge()

    assert kept_with_the_job == 4
    assert {one.id for one in arrivals.list_page(10)} == {other, after}
    assert len(retention.find_kept().instances) == 2


def test_what_became_no_job_is_forgotten_after_two_weeks(
    retention: RetentionStore, arrivals: ArrivalStore, clock: Clock
) -> None:
    """What another arrival needs stays."""
    arrivals.note(PACS, receive(range(3)), 0)
    (arrival,) = arrivals.find_receiving()
    judged = arrivals.claim(arrival)
    assert judged is not None
    arrivals.close(judged, Verdict(ArrivalState.INCOMPLETE))
    clock.now = START + timedelta(days=13)
    arrivals.note(PACS, receive([2]), 0)
    too_early = (retention.purge(), len(arrivals.list_page(10)))
    clock.now = START + timedelta(days=14)

    retention.purge()

    (left,) = arrivals.list_page(10)
    assert too_early == ((), 2)
    assert left.received == 1
    assert retention.find_kept().instances == {receive([2])[0].sha256}
