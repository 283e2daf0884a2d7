"""Who may run a job, and whose result counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from contouring.composition import Status
from contouring.errors import JobCancelledError, LeaseLostError
from contouring.notices import Notice
from tests.workers.conftest import LOST_ATTEMPTS_LIMIT
from workers.database import writing
from workers.job_rows import URGENT_HEAD_START
from workers.job_store import JobStore
from workers.jobs import (
    Failure,
    Job,
    JobState,
    NewJob,
    OutputRecord,
    Priority,
    StructureRecord,
)
from workers.lease_store import LeaseStore, NewResult
from workers.tables import jobs as jobs_table

RESULT = NewResult(
    folder="job/1",
    files={"eclipse.rtstruct.dcm": "d" * 64},
    outputs=(OutputRecord("eclipse", "eclipse.rtstruct.dcm"),),
    structures=(
        StructureRecord(
            template="eclipse",
            name="Brainstem~",
            source="Brainstem",
            status=Status.CONTOURED,
            reason="",
            volume_cm3=25.5,
            slices=20,
            contours=21,
            flags=(Notice("cut-by-scan-end", "Brainstem is cut by the scan's end."),),
        ),
    ),
    warnings=("Larynx was not found in the scan.",),
    stage_seconds={"read": 0.5},
)


@pytest.fixture
def claimed(jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]) -> Job:
    """A job that a worker runs."""
    jobs.add([new_job()])
    job = leases.claim("worker")
    assert job is not None
    return job


def test_no_two_workers_claim_the_same_job(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """Two results of one job would be two truths."""
    added = {job.id for job in jobs.add([new_job(f"series {number}") for number in range(20)])}

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: leases.claim(f"worker {number}"), range(40)))

    taken = [job.id for job in claims if job is not None]
    assert len(taken) == len(added)
    assert set(taken) == added


def test_an_urgent_job_goes_before_older_ones(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """A patient on the table does not wait for the night's archive."""
    jobs.add([new_job("normal")])
    (urgent,) = jobs.add([new_job("urgent", Priority.URGENT)])

    claimed = leases.claim("worker")

    assert claimed is not None
    assert claimed.id == urgent.id


def test_a_normal_job_is_not_overtaken_for_ever(
    engine: Engine, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """With urgent jobs coming all day, the others must still be done."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    later = start + URGENT_HEAD_START + timedelta(seconds=1)
    (normal,) = JobStore(engine, now=lambda: start).add([new_job("normal")])
    JobStore(engine, now=lambda: later).add([new_job("urgent", Priority.URGENT)])

    claimed = leases.claim("worker")

    assert claimed is not None
    assert claimed.id == normal.id


def test_a_result_and_the_state_appear_together(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """A done job without its result, or the reverse, must never be seen."""
    leases.finish(claimed, RESULT)

    done = jobs.find(claimed.id)
    assert done.state is JobState.DONE
    assert done.result_folder == "job/1"
    assert done.structures == RESULT.structures
    assert done.outputs == RESULT.outputs
    assert done.warnings == (*claimed.warnings, *RESULT.warnings)


def test_a_worker_that_was_given_up_changes_nothing(
    jobs: JobStore, short_leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """It may have been frozen for an hour, and another one has done the work."""
    jobs.add([new_job()])
    frozen = short_leases.claim("frozen")
    short_leases.expire()
    second = short_leases.claim("second")
    assert frozen is not None
    assert second is not None

    writes: list[Callable[[], None]] = [
        lambda: short_leases.renew(frozen),
        lambda: short_leases.report(frozen, "read", 0.5),
        lambda: short_leases.finish(frozen, RESULT),
        lambda: short_leases.fail(frozen, Failure("code", "reason")),
        lambda: short_leases.refuse(frozen, Failure("code", "reason")),
        lambda: short_leases.confirm_cancel(frozen),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError):
            write()

    assert jobs.find(frozen.id) == second


def test_a_job_is_finished_once(leases: LeaseStore, claimed: Job) -> None:
    """The same attempt cannot commit twice."""
    leases.finish(claimed, RESULT)

    with pytest.raises(LeaseLostError):
        leases.finish(claimed, RESULT)


def test_a_living_lease_does_not_expire(jobs: JobStore, leases: LeaseStore, claimed: Job) -> None:
    """Long jobs are not lost ones."""
    assert leases.expire() == 0
    assert jobs.find(claimed.id).state is JobState.RUNNING


def test_a_lease_of_another_clock_is_over(
    engine: Engine, jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """After a reboot the clock starts anew, and no worker of before it lives."""
    with writing(engine).begin() as connection:
        connection.execute(update(jobs_table).values(lease_clock="an earlier boot"))

    assert leases.expire() == 1
    assert jobs.find(claimed.id).state is JobState.PENDING


def test_a_job_whose_workers_keep_dying_fails_with_the_reason(
    jobs: JobStore, short_leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """Otherwise one poisonous series would stop everything behind it."""
    (job,) = jobs.add([new_job()])
    states = []
    for _ in range(LOST_ATTEMPTS_LIMIT):
        short_leases.claim("worker")
        short_leases.expire()
        states.append(jobs.find(job.id).state)

    failed = jobs.find(job.id)

    assert states == [JobState.PENDING] * (LOST_ATTEMPTS_LIMIT - 1) + [JobState.FAILED]
    assert failed.failure is not None
    assert failed.failure.code == "worker-lost"
    assert f"lost {LOST_ATTEMPTS_LIMIT} times" in failed.failure.reason


def test_a_worker_known_to_be_dead_is_given_up_at_once(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Waiting for the lease would only delay the patient."""
    assert leases.lose_worker("another worker") == 0
    assert leases.lose_worker("worker") == 1

    lost = jobs.find(claimed.id)
    assert (lost.state, lost.lost_attempts) == (JobState.PENDING, 1)


def test_a_worker_stopped_on_purpose_does_not_count_as_lost(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Three restarts of the server must not fail a healthy job."""
    leases.release_worker("worker")

    released = jobs.find(claimed.id)
    assert (released.state, released.lost_attempts) == (JobState.PENDING, 0)


def test_a_cancelled_job_stops_at_its_next_report(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """The worker learns of it from the database, for messages can be lost."""
    jobs.cancel(claimed.id)

    with pytest.raises(JobCancelledError):
        leases.report(claimed, "segment", 0.5)
    with pytest.raises(JobCancelledError):
        leases.finish(claimed, RESULT)
    leases.confirm_cancel(claimed)

    cancelled = jobs.find(claimed.id)
    assert cancelled.state is JobState.CANCELLED
    assert cancelled.result_folder is None


def test_a_cancelled_job_whose_worker_dies_is_not_run_again(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Nobody wants it any more."""
    jobs.cancel(claimed.id)

    leases.lose_worker("worker")

    assert jobs.find(claimed.id).state is JobState.CANCELLED


def test_progress_is_shown(jobs: JobStore, leases: LeaseStore, claimed: Job) -> None:
    """Readers of the list see that the work goes on."""
    leases.report(claimed, "segment", 0.25)

    shown = jobs.find(claimed.id)
    assert (shown.stage, shown.progress) == ("segment", 0.25)
