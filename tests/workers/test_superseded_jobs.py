"""A job whose series grew gives way to the one with all slices, wherever it stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from contouring.errors import JobCancelledError
from tests.workers.deliveries import finish, plan_job
from workers.deliveries import DeliveryState, Pauses
from workers.job_store import JobStore
from workers.jobs import JobState, NewJob, PlannedDelivery
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore

PACS, TPS = PlannedDelivery("pacs"), PlannedDelivery("tps", is_held=True)
Build = Callable[..., NewJob]


@pytest.fixture
def outbox(engine: Engine) -> OutboxStore:
    """Its leases are much longer than a test."""
    return OutboxStore(engine, Pauses(), lease_seconds=600.0)


def test_a_waiting_job_is_not_run_any_more(jobs: JobStore, new_job: Build) -> None:
    """Its slices are in the other one, too."""
    (old,) = jobs.add([new_job()])

    jobs.supersede([old.id], "the-new-one")

    superseded = jobs.find(old.id)
    assert (superseded.state, superseded.superseded_by) == (JobState.CANCELLED, "the-new-one")


def test_a_running_job_is_asked_to_stop(jobs: JobStore, leases: LeaseStore, new_job: Build) -> None:
    """At its next step."""
    jobs.add([new_job()])
    running = leases.claim("worker")
    assert running is not None

    jobs.supersede([running.id], "the-new-one")

    with pytest.raises(JobCancelledError):
        leases.renew(running)


def test_what_has_not_left_of_a_finished_job_stays(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """What arrived before is told, and its result can still be fetched."""
    old = finish(jobs, leases, plan_job(new_job, PACS, TPS))
    delivery = outbox.claim_due()
    assert delivery is not None
    outbox.succeed(delivery)

    jobs.supersede([old.id], "the-new-one")

    (left,) = outbox.list_by_job([old.id])[old.id]
    assert (left.destination, left.state) == ("pacs", DeliveryState.DELIVERED)
    assert jobs.find(old.id).state is JobState.DONE


def test_what_is_being_sent_meanwhile_is_not_tried_again(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """The receiver gets the new job's instead."""
    old = finish(jobs, leases, plan_job(new_job, PACS))
    delivery = outbox.claim_due()
    assert delivery is not None

    jobs.supersede([old.id], "the-new-one")
    outbox.postpone(delivery, "HTTP 503")

    assert outbox.list_by_job([old.id])[old.id] == ()


def test_jobs_of_others_go_on(jobs: JobStore, new_job: Build) -> None:
    """Only those that are named give way."""
    old, other = jobs.add([new_job("a"), new_job("bb")])

    jobs.supersede([old.id], "the-new-one")

    assert jobs.find(other.id) == other
