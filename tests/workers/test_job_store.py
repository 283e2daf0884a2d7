"""Jobs in SQLite and PostgreSQL, as senders and readers see them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from contouring.errors import UnknownJobError, WrongJobStateError
from workers.job_store import JobFilter, JobStore
from workers.jobs import Failure, Job, JobState, NewJob, Priority
from workers.lease_store import LeaseStore


def test_a_job_sent_again_is_the_same_job(jobs: JobStore, new_job: Callable[..., NewJob]) -> None:
    """Sending twice must not contour twice."""
    (first,) = jobs.add([new_job()])

    (second,) = jobs.add([new_job()])

    assert second == first


def test_a_job_sent_by_many_at_once_is_one_job(
    jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """Routing rules of a hospital often send the same series twice at the same moment."""
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: jobs.add([new_job()])[0].id, range(16)))

    assert len(set(added)) == 1
    assert jobs.count_by_state()[JobState.PENDING] == 1


def test_a_waiting_job_that_is_sent_again_as_urgent_goes_first(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """And is not put back by being sent once more as a normal one."""
    jobs.add([new_job("first")])
    (second,) = jobs.add([new_job("second")])

    (urgent,) = jobs.add([new_job("second", Priority.URGENT)])
    jobs.add([new_job("second")])

    assert (urgent.id, urgent.priority) == (second.id, Priority.URGENT)
    claimed = leases.claim("worker")
    assert claimed is not None
    assert (claimed.id, claimed.priority) == (second.id, Priority.URGENT)


def test_a_slice_that_comes_back_with_other_bytes_is_told(
    jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """Two versions of one series: nobody may plan on the one and contour the other unknowingly."""
    first = replace(new_job("a"), instances={"1.1": "a" * 64, "1.2": "b" * 64})
    second = replace(new_job("b"), instances={"1.1": "a" * 64, "1.2": "c" * 64})
    (before,) = jobs.add([first])

    (changed,) = jobs.add([second])
    (again,) = jobs.add([first])

    assert changed.id != before.id
    (told,) = set(changed.warnings) - set(before.warnings)
    assert told.startswith("changed-since: 1 of 2 slices were sent before with other bytes (1.2)")
    assert again == before


def test_a_series_with_more_slices_is_no_changed_one(
    jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """What came late changes nothing that was there."""
    jobs.add([replace(new_job("a"), instances={"1.1": "a" * 64})])

    (longer,) = jobs.add([replace(new_job("b"), instances={"1.1": "a" * 64, "1.2": "b" * 64})])

    assert longer.warnings == new_job().warnings


def test_a_job_comes_back_as_it_was_stored(jobs: JobStore, new_job: Callable[..., NewJob]) -> None:
    """The creation time goes into the RTSTRUCT, so no digit of it may be lost."""
    (added,) = jobs.add([new_job()])

    found = jobs.find(added.id)

    assert found == added
    assert found.created_at.tzinfo is not None
    assert found.warnings == ("slices 1 and 2 are close",)


def test_an_unknown_job_is_named(jobs: JobStore) -> None:
    """The sender should see which id was wrong."""
    with pytest.raises(UnknownJobError, match="no-such-job"):
        jobs.find("no-such-job")


def test_pages_show_every_job_once_and_the_newest_first(
    jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """A job between two pages would be a job that nobody sees."""
    added = [jobs.add([new_job(f"series {number}")])[0].id for number in range(5)]

    first = jobs.list_page(JobFilter(), 2)
    second = jobs.list_page(JobFilter(), 2, before=first.jobs[-1].id)
    third = jobs.list_page(JobFilter(), 2, before=second.jobs[-1].id)

    shown = [job.id for page in (first, second, third) for job in page.jobs]
    assert shown == list(reversed(added))
    assert [page.has_more for page in (first, second, third)] == [True, True, False]


def test_a_filter_leaves_only_what_it_names(jobs: JobStore, new_job: Callable[..., NewJob]) -> None:
    """People look for what has failed, or for one patient's series."""
    normal, urgent = jobs.add([new_job("a"), new_job("bb", Priority.URGENT)])
    jobs.cancel(normal.id)

    by_state = jobs.list_page(JobFilter(state=JobState.CANCELLED), 9).jobs
    by_priority = jobs.list_page(JobFilter(priority=Priority.URGENT), 9).jobs
    by_series = jobs.list_page(JobFilter(series_instance_uid="1.2.3.2"), 9).jobs

    assert [job.id for job in by_state] == [normal.id]
    assert [job.id for job in by_priority] == [urgent.id]
    assert [job.id for job in by_series] == [urgent.id]


def test_a_waiting_job_is_cancelled_at_once(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """No worker has it, so nobody needs to be asked."""
    (job,) = jobs.add([new_job()])

    cancelled = jobs.cancel(job.id)

    assert cancelled.state is JobState.CANCELLED
    assert cancelled.finished_at is not None
    assert leases.claim("worker") is None


def test_a_running_job_is_asked_to_stop(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """Its worker ends it, and can be asked twice."""
    (job,) = jobs.add([new_job()])
    leases.claim("worker")

    jobs.cancel(job.id)
    asked = jobs.cancel(job.id)

    assert asked.state is JobState.RUNNING
    assert asked.cancel_requested


def test_an_ended_job_cannot_be_cancelled(jobs: JobStore, new_job: Callable[..., NewJob]) -> None:
    """The answer says which state the job is in."""
    (job,) = jobs.add([new_job()])
    jobs.cancel(job.id)

    with pytest.raises(WrongJobStateError, match="is cancelled"):
        jobs.cancel(job.id)


@pytest.mark.parametrize("end", [LeaseStore.fail, LeaseStore.refuse])
def test_a_failed_or_refused_job_can_be_run_again(
    jobs: JobStore,
    leases: LeaseStore,
    new_job: Callable[..., NewJob],
    end: Callable[[LeaseStore, Job, Failure], None],
) -> None:
    """A person has mended the cause; the old reason must not stay on the job."""
    (job,) = jobs.add([new_job()])
    claimed = leases.claim("worker")
    assert claimed is not None
    end(leases, claimed, Failure("out-of-memory", "There was no memory left."))

    again = jobs.retry(job.id)
    second = leases.claim("worker")

    assert (again.state, again.failure, again.finished_at) == (JobState.PENDING, None, None)
    assert second is not None
    assert second.attempt == 2


def test_an_urgent_job_that_is_run_again_is_still_urgent(
    jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """Whoever retries it would else wait behind work that came before the mistake."""
    (urgent,) = jobs.add([new_job("a", Priority.URGENT)])
    jobs.cancel(urgent.id)
    (normal,) = jobs.add([new_job("b")])

    jobs.retry(urgent.id)

    assert [job.id for job in jobs.find_waiting()] == [urgent.id, normal.id]


def test_a_job_under_way_is_not_run_again(jobs: JobStore, new_job: Callable[..., NewJob]) -> None:
    """It will end by itself."""
    (job,) = jobs.add([new_job()])

    with pytest.raises(WrongJobStateError, match="is pending"):
        jobs.retry(job.id)


def test_marking_a_running_job_as_queued_changes_nothing(
    jobs: JobStore, leases: LeaseStore, new_job: Callable[..., NewJob]
) -> None:
    """A worker may be faster than the one who notes that it was told."""
    (job,) = jobs.add([new_job()])
    leases.claim("worker")

    jobs.mark_queued([job.id])

    assert jobs.find(job.id).state is JobState.RUNNING
