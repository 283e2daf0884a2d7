"""A delivery is tried until it is made or its time is over, by one courier at a time."""

from __future__ import annotations

from collections.abc import Callable

from tests.workers.deliveries import EVENTS, HOOK, finish, plan_job
from tests.workers.outbox_looks import claim, fail_for_good, rows_of, show
from workers.deliveries import DeliveryState, JobEvent
from workers.job_store import JobStore
from workers.jobs import NewJob, PlannedDelivery
from workers.lease_store import LeaseStore
from workers.outbox_store import LOST, OutboxStore

PACS = PlannedDelivery("pacs")
Build = Callable[..., NewJob]


def test_a_delivery_that_failed_waits_for_its_next_try(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """And says what went wrong and when it goes on."""
    job = finish(jobs, leases, plan_job(new_job, PACS))

    outbox.postpone(claim(outbox), "HTTP 503")

    (row,) = rows_of(outbox, job)
    assert (row.state, row.tries, row.error) == (DeliveryState.WAITING, 1, "HTTP 503")
    assert row.tried_at is not None
    assert row.next_try_at is not None
    assert row.next_try_at > row.tried_at
    assert outbox.claim_due() is None


def test_a_person_has_it_tried_at_once(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """The receiver has just been mended."""
    job = finish(jobs, leases, plan_job(new_job, PACS))
    outbox.postpone(claim(outbox), "HTTP 503")

    outbox.deliver(job.id)

    assert claim(outbox).tries == 1


def test_the_last_try_ends_it_and_the_alarm_is_given_once(
    jobs: JobStore, leases: LeaseStore, hasty: OutboxStore, new_job: Build
) -> None:
    """Unless it is started again and fails again."""
    job = finish(jobs, leases, plan_job(new_job, PACS, PlannedDelivery("hook", events=EVENTS[3:])))
    for _ in range(3):
        hasty.postpone(claim(hasty), "HTTP 503")
    ended = show(hasty, job)
    alarm = claim(hasty)
    hasty.deliver(job.id, "pacs")
    started_again = show(hasty, job)
    fail_for_good(hasty)

    assert ended == {("pacs", "eclipse", "failed"), ("hook", "delivery-failed", "waiting")}
    assert (alarm.event, alarm.about) == (JobEvent.DELIVERY_FAILED, rows_of(hasty, job)[0].id)
    assert started_again == {("pacs", "eclipse", "waiting")}
    assert show(hasty, job) == ended


def test_a_webhook_that_cannot_be_reached_raises_no_alarm_about_itself(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """Each would fail in turn, for ever."""
    job = finish(jobs, leases, plan_job(new_job, HOOK))

    fail_for_good(outbox)

    assert show(outbox, job) == {("hook", "done", "failed")}


def test_a_courier_that_died_while_sending_is_found_by_its_lease(
    jobs: JobStore, leases: LeaseStore, hasty: OutboxStore, outbox: OutboxStore, new_job: Build
) -> None:
    """The try counts, or one that kills its courier would do so for ever."""
    job = finish(jobs, leases, plan_job(new_job, PACS))
    lost = claim(hasty)

    assert (outbox.expire(), outbox.expire()) == (1, 0)

    (row,) = rows_of(hasty, job)
    assert (row.state, row.tries, row.error) == (DeliveryState.WAITING, 1, LOST)
    assert hasty.succeed(lost) is False


def test_a_lease_that_is_renewed_is_kept(
    jobs: JobStore, leases: LeaseStore, hasty: OutboxStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A large file on a slow line takes longer than any lease."""
    finish(jobs, leases, plan_job(new_job, PACS))
    delivery = claim(hasty)

    outbox.renew([delivery])

    assert outbox.expire() == 0
    assert outbox.succeed(delivery)


def test_a_courier_that_was_given_up_changes_nothing(
    jobs: JobStore, leases: LeaseStore, hasty: OutboxStore, new_job: Build
) -> None:
    """The next one has the delivery."""
    job = finish(jobs, leases, plan_job(new_job, PACS))
    frozen = claim(hasty)
    hasty.expire()
    claim(hasty)

    written = (hasty.succeed(frozen), hasty.postpone(frozen, "late"), hasty.fail(frozen, "late"))

    assert written == (False, False, False)
    assert show(hasty, job) == {("pacs", "eclipse", "sending")}


def test_a_courier_that_stops_on_purpose_costs_no_try(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A server is restarted as often as its operator likes."""
    finish(jobs, leases, plan_job(new_job, PACS))
    stopping = claim(outbox)

    outbox.put_back([stopping])

    assert claim(outbox).tries == 1
    assert outbox.succeed(stopping) is False


def test_what_was_tried_least_goes_first(
    jobs: JobStore, leases: LeaseStore, hasty: OutboxStore, new_job: Build
) -> None:
    """One that a receiver always refuses would stop all behind it."""
    finish(jobs, leases, plan_job(new_job, PACS))
    refused = claim(hasty)
    hasty.postpone(refused, "0xA900")
    finish(jobs, leases, plan_job(lambda: new_job("later"), PACS))

    assert claim(hasty).id != refused.id
