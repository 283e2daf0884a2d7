"""Every end of an attempt becomes a state of its job."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from contouring.errors import (
    InferenceError,
    JobCancelledError,
    LeaseLostError,
    ModelChangedError,
    OarlockError,
    ReleaseCheckError,
    SeriesRefusedError,
    TemplateChangedError,
)
from workers import tasks
from workers.attempt import Workplace
from workers.job_store import JobStore
from workers.jobs import Failure, Job, JobState, NewJob
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.prefetch import Prefetch
from workers.queue import build_message
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.worker_names import build_worker_name


@pytest.fixture
def place(engine: Engine, leases: LeaseStore, tmp_path: Path) -> Workplace:
    """A workplace with the test's stores."""
    data = tmp_path / "data"
    series = SeriesStore(data)
    return Workplace(
        leases=leases,
        series=series,
        results=ResultStore(data),
        predictors=Predictors((), 1),
        prefetch=Prefetch(leases, series, most_bytes=0),
        template_folders=(),
        heartbeat_seconds=600.0,
    )


@pytest.fixture
def run(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Run the task for an attempt that ends with an error."""

    def run_with(error: Exception) -> None:
        def fail(_job: Job, _place: Workplace) -> None:
            raise error

        monkeypatch.setattr(tasks, "open_workplace", lambda: place)
        monkeypatch.setattr(tasks, "run_attempt", fail)
        tasks.run_job(build_message("any"))

    return run_with


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InferenceError("The network gave NaN."), "inference-failed"),
        (ReleaseCheckError(["Brainstem: Dice 0.97."]), "release-check-failed"),
        (MemoryError(), "out-of-memory"),
        (SoftTimeLimitExceeded(), "time-limit"),
        (ZeroDivisionError("division by zero"), "unexpected-error"),
    ],
)
def test_an_error_ends_as_a_failed_job_with_its_reason(
    jobs: JobStore,
    run: Callable[[Exception], None],
    new_job: Callable[..., NewJob],
    error: Exception,
    code: str,
) -> None:
    """None may leave the task: Celery's main process dies of a MemoryError."""
    (job,) = jobs.add([new_job()])

    run(error)

    failed = jobs.find(job.id)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.code == code
    assert failed.failure.reason


def test_pixels_that_cannot_be_contoured_end_as_a_refused_job(
    jobs: JobStore, run: Callable[[Exception], None], new_job: Callable[..., NewJob]
) -> None:
    """Nothing has failed here: the sender can mend the series, and must learn the fault."""
    (job,) = jobs.add([new_job()])

    run(SeriesRefusedError("truncated-pixels", "slice 4 (z = -12.5 mm) ends too early."))

    refused = jobs.find(job.id)
    assert refused.state is JobState.REFUSED
    assert refused.failure == Failure("truncated-pixels", "slice 4 (z = -12.5 mm) ends too early.")


def test_an_error_of_the_disk_is_tried_again_later(
    jobs: JobStore, run: Callable[[Exception], None], new_job: Callable[..., NewJob]
) -> None:
    """A share that is remounted in the night must cost no patient's job."""
    (job,) = jobs.add([new_job()])

    run(OSError(errno.EIO, "Input/output error"))

    waiting = jobs.find(job.id)
    assert waiting.state is JobState.RETRY
    assert waiting.failure is not None
    assert waiting.failure.code == "storage-failed"
    assert "Input/output error" in waiting.failure.reason


@pytest.mark.parametrize("error", [ModelChangedError("m", "c"), TemplateChangedError("t", "c")])
def test_a_model_that_this_worker_lacks_is_left_to_another(
    jobs: JobStore,
    run: Callable[[Exception], None],
    new_job: Callable[..., NewJob],
    error: OarlockError,
) -> None:
    """Workers get a new version one after the other; the reason is shown meanwhile."""
    (job,) = jobs.add([new_job()])

    run(error)

    waiting = jobs.find(job.id)
    assert waiting.state is JobState.RETRY
    assert waiting.failure == Failure(error.code, str(error))


def test_a_process_that_could_not_write_a_job_s_end_has_not_died(
    jobs: JobStore,
    run: Callable[[Exception], None],
    place: Workplace,
    new_job: Callable[..., NewJob],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three hiccups of the database must not condemn a series."""
    monkeypatch.setattr(tasks, "STARTED", set())
    (job,) = jobs.add([new_job()])
    place.leases.claim(build_worker_name(os.getppid()))  # by a process that then died

    for _ in range(2):
        run(OperationalError("UPDATE", {}, Exception("locked")))

    now = jobs.find(job.id)
    assert (now.state, now.child_deaths, now.lost_leases) == (JobState.RUNNING, 1, 1)


def test_a_job_cancelled_while_the_disk_fails_ends(
    jobs: JobStore,
    place: Workplace,
    new_job: Callable[..., NewJob],
) -> None:
    """It must not wait for an attempt that nobody wants."""
    jobs.add([new_job()])
    claimed = place.leases.claim("worker")
    assert claimed is not None
    jobs.cancel(claimed.id)

    tasks.postpone(claimed, Failure("storage-failed", "The share is gone."), place)

    assert jobs.find(claimed.id).state is JobState.CANCELLED


def test_a_cancelled_attempt_ends_as_a_cancelled_job(
    jobs: JobStore, run: Callable[[Exception], None], new_job: Callable[..., NewJob]
) -> None:
    """It has not failed: somebody wanted it so."""
    (job,) = jobs.add([new_job()])

    run(JobCancelledError(job.id))

    assert jobs.find(job.id).state is JobState.CANCELLED


def test_an_attempt_that_was_given_up_leaves_the_job_alone(
    jobs: JobStore, run: Callable[[Exception], None], new_job: Callable[..., NewJob]
) -> None:
    """Another worker has it by now."""
    (job,) = jobs.add([new_job()])

    run(LeaseLostError(job.id))

    assert jobs.find(job.id).state is JobState.RUNNING


def test_a_message_of_another_version_runs_nothing(
    jobs: JobStore,
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    new_job: Callable[..., NewJob],
) -> None:
    """A newer server's message may mean something else; the job waits for a newer worker."""
    (job,) = jobs.add([new_job()])
    monkeypatch.setattr(tasks, "open_workplace", lambda: place)

    tasks.run_job({"v": 2, "job": job.id})

    assert jobs.find(job.id).state is JobState.PENDING
