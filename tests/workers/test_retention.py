"""What is purged, when, and what is left of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from contouring.errors import WrongJobStateError
from tests.workers.retained_jobs import CANARY, START, Clock, finish_job, leases_at
from workers.database import migrate, open_engine
from workers.housekeeping import Housekeeping
from workers.job_store import JobStore
from workers.jobs import Failure, Job, JobState, NewJob, PlannedDelivery
from workers.outbox_store import OutboxStore
from workers.result_store import ResultStore
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.series_store import SeriesStore
from workers.tables import metadata

RETENTION = Retention(delivered=timedelta(hours=72), ended=timedelta(days=14))
STUDY = "1.2.826.0.1.47114711"
HOUR_AGO = 3600.0


@pytest.fixture
def clock() -> Clock:
    """The clock of the stores."""
    return Clock()


@pytest.fixture
def retention(engine: Engine, clock: Clock) -> RetentionStore:
    """Deliveries and their ends."""
    return RetentionStore(engine, RETENTION, clock)


@pytest.fixture
def done(jobs: JobStore, engine: Engine, clock: Clock, new_job: Callable[..., NewJob]) -> Job:
    """A job with structure sets of two templates."""
    return finish_job(jobs, engine, clock, new_job())


def test_a_job_is_purged_72_hours_after_its_last_delivery(
    jobs: JobStore, retention: RetentionStore, clock: Clock, done: Job
) -> None:
    """Every template's structure set has a destination of its own."""
    retention.note_delivery(done.id, "eclipse")
    clock.now = START + timedelta(hours=80)
    after_one = retention.purge()
    retention.note_delivery(done.id, "monaco")
    clock.now = START + timedelta(hours=80 + 71)
    too_early = retention.purge()
    clock.now = START + timedelta(hours=80 + 72)

    purged = retention.purge()

    assert (after_one, too_early, purged) == ((), (), (done.id,))
    assert jobs.find(done.id).state is JobState.PURGED


def test_a_second_delivery_of_the_same_changes_nothing(
    retention: RetentionStore, clock: Clock, done: Job
) -> None:
    """A page that is reloaded every day would keep a patient for ever."""
    for template in ("eclipse", "monaco"):
        retention.note_delivery(done.id, template)
    clock.now = START + timedelta(hours=72)
    retention.note_delivery(done.id, "eclipse")

    assert retention.purge() == (done.id,)


def test_what_nobody_fetched_is_never_purged(
    retention: RetentionStore, clock: Clock, done: Job
) -> None:
    """A result that is lost before anybody had it is a lost job."""
    clock.now = START + timedelta(days=3650)

    assert retention.purge() == ()


def test_a_job_without_a_result_is_purged_after_two_weeks(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    clock: Clock,
    new_job: Callable[..., NewJob],
) -> None:
    """Time enough for a person to have it run again."""
    (job,) = jobs.add([new_job()])
    leases = leases_at(engine, clock)
    claimed = leases.claim("worker")
    assert claimed is not None
    leases.fail(claimed, Failure("inference-failed", CANARY))
    clock.now = START + timedelta(days=13)
    too_early = retention.purge()
    clock.now = START + timedelta(days=14)

    assert (too_early, retention.purge()) == ((), (job.id,))


def test_a_legal_hold_keeps_a_job_until_it_is_lifted(
    jobs: JobStore, retention: RetentionStore, clock: Clock, done: Job
) -> None:
    """A court's question may come after the plan was delivered."""
    for template in ("eclipse", "monaco"):
        retention.note_delivery(done.id, template)
    clock.now = START + timedelta(days=30)
    held = jobs.set_legal_hold(done.id, True)
    kept = retention.purge()
    jobs.set_legal_hold(done.id, False)

    assert (held.legal_hold, kept, retention.purge()) == (True, (), (done.id,))
    with pytest.raises(WrongJobStateError, match="nothing left to hold"):
        jobs.set_legal_hold(done.id, True)


def test_a_purged_series_that_is_sent_again_is_a_new_job(
    jobs: JobStore,
    retention: RetentionStore,
    clock: Clock,
    done: Job,
    new_job: Callable[..., NewJob],
) -> None:
    """Nothing is left that could answer it."""
    for template in ("eclipse", "monaco"):
        retention.note_delivery(done.id, template)
    clock.now = START + timedelta(hours=72)
    retention.purge()

    (again,) = jobs.add([new_job()])

    assert again.id != done.id
    assert again.state is JobState.PENDING


def test_a_purge_leaves_no_byte_of_the_patient(
    tmp_path: Path, clock: Clock, new_job: Callable[..., NewJob]
) -> None:
    """Looked for in every file: the database's, those beside it, and the stores'."""
    data = tmp_path / "data"
    engine = open_engine(f"sqlite:///{tmp_path / 'data' / 'jobs.sqlite'}")
    series, results = SeriesStore(data), ResultStore(data)
    migrate(engine)
    jobs = JobStore(engine, clock)
    new = replace(
        new_job(),
        series_description=CANARY,
        patient_id=CANARY,
        study_instance_uid=STUDY,
        series_instance_uid=f"{STUDY}.7",
        instances={f"1.2.3.{CANARY}": "a" * 64},
    )
    done = finish_job(jobs, engine, clock, new)
    with series.stage() as staged:
        (staged / "a").write_text(CANARY)
        series.keep(new.series_digest, [staged / "a"])
    results.keep(done.id, done.fence, {"eclipse.rtstruct.dcm": CANARY.encode()})
    age(data / "series", HOUR_AGO)
    age(data / "results", HOUR_AGO)
    found_before = holding(data)
    retention = RetentionStore(engine, RETENTION, clock)
    for template in ("eclipse", "monaco"):
        retention.note_delivery(done.id, template)
    clock.now = START + timedelta(hours=72)

    Housekeeping(data, retention, series, 600.0).tidy()

    assert {path.parent.name for path in found_before} >= {"data", new.series_digest, "1"}
    assert holding(data) == []
    assert find_tables(engine, STUDY) == {"audit_records"}


def test_files_of_jobs_that_are_kept_stay(
    tmp_path: Path, engine: Engine, jobs: JobStore, clock: Clock, done: Job
) -> None:
    """And with them those that are too young to be judged."""
    data = tmp_path / "data"
    series, results = SeriesStore(data), ResultStore(data)
    for digest in (done.series_digest, "orphan", "young"):
        with series.stage() as staged:
            (staged / "a").write_text("slice")
            series.keep(digest, [staged / "a"])
    for fence in (done.fence, done.fence + 7):
        results.keep(done.id, fence, {"report.json": b"{}"})
    results.keep("forgotten", 1, {"report.json": b"{}"})
    for folder in ("series", "results"):
        age(data / folder, HOUR_AGO)
    os.utime(data / "series" / "young")

    Housekeeping(data, RetentionStore(engine, RETENTION, clock), series, 600.0).tidy()

    assert {path.name for path in (data / "series").iterdir()} == {done.series_digest, "young"}
    assert [path.name for path in (data / "results").iterdir()] == [done.id]
    assert [path.name for path in (data / "results" / done.id).iterdir()] == [str(done.fence)]
    assert list((data / "staging").iterdir()) == []


def test_a_series_that_is_kept_again_is_young_again(tmp_path: Path) -> None:
    """Whoever sends it just before it is swept finds it afterwards."""
    series = SeriesStore(tmp_path)
    for _ in range(2):
        age(tmp_path / "series", HOUR_AGO)
        with series.stage() as staged:
            (staged / "a").write_text("slice")
            series.keep("digest", [staged / "a"])

    assert time.time() - (tmp_path / "series" / "digest").stat().st_mtime < HOUR_AGO / 2


def age(folder: Path, seconds: float) -> None:
    """Everything below it was touched so long ago."""
    then = time.time() - seconds
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


def holding(folder: Path) -> list[Path]:
    """The files that hold the canary."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if CANARY.encode() in path.read_bytes()]


def find_tables(engine: Engine, text: str) -> set[str]:
    """The tables of which a row holds a text."""
    with engine.connect() as connection:
        return {
            name
            for name, table in metadata.tables.items()
            for row in connection.execute(select(table))
            if any(text in str(value) for value in row)
        }


def test_what_has_yet_to_reach_a_destination_is_kept(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    clock: Clock,
    new_job: Callable[..., NewJob],
) -> None:
    """Also what was given up: a person must see to it. Then the time counts from the last."""
    planned = (PlannedDelivery("pacs", "eclipse"), PlannedDelivery("tps", "monaco"))
    planned += (PlannedDelivery("late", "monaco"),)
    job = finish_job(jobs, engine, clock, replace(new_job(), planned=planned))
    outbox = OutboxStore(engine, now=clock)
    for delivery in (outbox.claim_due(), outbox.claim_due()):
        assert delivery is not None
        outbox.succeed(delivery)
    last = outbox.claim_due()
    assert last is not None
    outbox.fail(last, "HTTP 503")
    clock.now = START + timedelta(days=30)
    given_up = retention.purge()
    outbox.deliver(job.id)
    last = outbox.claim_due()
    assert last is not None
    outbox.succeed(last)
    just_delivered = retention.purge()
    clock.now = START + timedelta(days=33)

    purged = retention.purge()

    assert (given_up, just_delivered, purged) == ((), (), (job.id,))
    assert outbox.list_by_job([job.id])[job.id] == ()


@pytest.mark.parametrize("why", ["shadow", "superseded"])
def test_what_never_leaves_is_purged_two_weeks_after_its_end(
    jobs: JobStore,
    retention: RetentionStore,
    engine: Engine,
    clock: Clock,
    new_job: Callable[..., NewJob],
    why: str,
) -> None:
    """Nobody would ever deliver it."""
    job = finish_job(jobs, engine, clock, replace(new_job(), is_shadow=why == "shadow"))
    if why == "superseded":
        jobs.supersede([job.id], "the-new-one")
    clock.now = jobs.find(job.id).finished_at + timedelta(days=13)  # type: ignore[operator]
    too_early = retention.purge()
    clock.now += timedelta(days=1)

    assert (too_early, retention.purge()) == ((), (job.id,))
