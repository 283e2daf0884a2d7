"""Who may run a job, and whose result counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from contouring.errors import JobCancelledError, LeaseLostError
from tests.workers.conftest import LIMITS
from tests.workers.made_results import RESULT
from workers.attempt_limits import AttemptLimits
from workers.database import writing
from workers.job_rows import URGENT_HEAD_START
from workers.job_store import JobStore
from workers.jobs import (
    Failure,
    Job,
    JobState,
    NewJob,
    Priority,
)
from workers.lease_store import LeaseStore
from workers.tables import jobs as jobs_table


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
        lambda: short_leases.postpone(frozen, Failure("code", "reason")),
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
    for _ in range(LIMITS.lost_leases):
        short_leases.claim("worker")
        short_leases.expire()
        states.append(jobs.find(job.id).state)

    failed = jobs.find(job.id)

    assert states == [JobState.PENDING] * (LIMITS.lost_leases - 1) + [JobState.FAILED]
    assert failed.failure is not None
    assert failed.failure.code == "worker-lost"
    assert f"lost {LIMITS.lost_leases} times" in failed.failure.reason


def test_a_job_whose_process_keeps_dying_is_set_aside_sooner(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """A worker that lived to tell it was not switched off: the series itself is suspect."""
    (job,) = jobs.add([new_job()])
    states = []
    for _ in range(LIMITS.child_deaths):
        leases.claim("worker")
        leases.lose_child("worker")
        states.append(jobs.find(job.id).state)

    poisoned = jobs.find(job.id)

    assert states == [JobState.PENDING] * (LIMITS.child_deaths - 1) + [JobState.POISONED]
    assert poisoned.failure is not None
    assert poisoned.failure.code == "process-died"


def test_causes_are_counted_apart(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """A machine that was switched off says nothing about the series."""
    (job,) = jobs.add([new_job()])
    for lose in (leases.lose_worker, leases.lose_child, leases.lose_worker):
        leases.claim("worker")
        lose("worker")

    now = jobs.find(job.id)

    assert (now.state, now.child_deaths, now.lost_leases) == (JobState.PENDING, 1, 2)


def test_an_error_that_may_pass_is_shown_while_the_job_waits(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Whoever looks sees that it is not forgotten, and why it waits."""
    leases.postpone(claimed, Failure("storage-failed", "The share is gone."))

    waiting = jobs.find(claimed.id)
    assert (waiting.state, waiting.transient_errors) == (JobState.RETRY, 1)
    assert waiting.failure == Failure("storage-failed", "The share is gone.")
    assert waiting.finished_at is None
    assert leases.resume_due() == 0
    assert leases.claim("worker") is None


def test_a_job_whose_pause_is_over_is_run_again(
    engine: Engine, jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """And no longer shows what has passed."""
    leases = LeaseStore(engine, 600.0, AttemptLimits(first_pause_seconds=0.0))
    (job,) = jobs.add([new_job()])
    first = leases.claim("worker")
    assert first is not None
    leases.postpone(first, Failure("storage-failed", "The share is gone."))

    resumed = leases.resume_due()
    second = leases.claim("worker")

    assert resumed == 1
    assert second is not None
    assert (second.id, second.attempt, second.failure) == (job.id, 2, None)


def test_a_pause_ends_with_the_clock_that_it_was_measured_by(
    engine: Engine, leases: LeaseStore, claimed: Job
) -> None:
    """After a reboot nobody knows how long the machine was off."""
    leases.postpone(claimed, Failure("storage-failed", "The share is gone."))
    with writing(engine).begin() as connection:
        connection.execute(update(jobs_table).values(due_clock="an earlier boot"))

    assert leases.resume_due() == 1


def test_an_error_that_does_not_pass_fails_the_job(
    engine: Engine, jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """With the error as its reason."""
    limits = AttemptLimits(transient_errors=3, first_pause_seconds=0.0)
    leases = LeaseStore(engine, 600.0, limits)
    (job,) = jobs.add([new_job()])
    states = []
    for _ in range(limits.transient_errors):
        claimed = leases.claim("worker")
        assert claimed is not None
        leases.postpone(claimed, Failure("storage-failed", "The share is gone."))
        states.append(jobs.find(job.id).state)
        leases.resume_due()

    failed = jobs.find(job.id)

    assert states == [JobState.RETRY, JobState.RETRY, JobState.FAILED]
    assert failed.failure == Failure("storage-failed", "The share is gone.")
    assert failed.finished_at is not None


def test_pauses_double_up_to_the_longest() -> None:
    """A share that is gone for the night is not asked ten times a minute."""
    limits = AttemptLimits(first_pause_seconds=5.0, longest_pause_seconds=300.0)

    pauses = [limits.find_pause_seconds(errors) for errors in range(8)]

    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_a_job_that_waits_for_its_next_attempt_can_be_cancelled(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """At once: no worker has it."""
    leases.postpone(claimed, Failure("storage-failed", "The share is gone."))

    assert jobs.cancel(claimed.id).state is JobState.CANCELLED


def test_a_cancelled_job_is_not_postponed(jobs: JobStore, leases: LeaseStore, claimed: Job) -> None:
    """Nobody wants its next attempt."""
    jobs.cancel(claimed.id)

    with pytest.raises(JobCancelledError):
        leases.postpone(claimed, Failure("storage-failed", "The share is gone."))


def test_a_worker_known_to_be_dead_is_given_up_at_once(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Waiting for the lease would only delay the patient."""
    assert leases.lose_worker("another worker") == 0
    assert leases.lose_worker("worker") == 1

    lost = jobs.find(claimed.id)
    assert (lost.state, lost.lost_leases, lost.child_deaths) == (JobState.PENDING, 1, 0)


def test_a_worker_stopped_on_purpose_does_not_count_as_lost(
    jobs: JobStore, leases: LeaseStore, claimed: Job
) -> None:
    """Three restarts of the server must not fail a healthy job."""
    leases.release_worker("worker")

    released = jobs.find(claimed.id)
    assert (released.state, released.lost_leases) == (JobState.PENDING, 0)


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
