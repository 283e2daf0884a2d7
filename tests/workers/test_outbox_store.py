"""Deliveries are written with the result, claimed by one courier, and end delivered or failed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from tests.workers.deliveries import EVENTS, HELD, HOOK, finish, plan_job
from workers.deliveries import Delivery, DeliveryState, JobEvent, Pauses
from workers.job_store import JobStore
from workers.jobs import Failure, Job, NewJob, PlannedDelivery
from workers.lease_store import LeaseStore
from workers.outbox_store import LOST, OutboxStore

PACS, ECLIPSE = PlannedDelivery("pacs"), PlannedDelivery("tps", "eclipse")
REVIEWED = PlannedDelivery("pacs", "generic", is_held=True)
NO_PAUSE = 1e-6
Build = Callable[..., NewJob]


@pytest.fixture
def outbox(engine: Engine) -> OutboxStore:
    """Leases and pauses are much longer than a test."""
    return OutboxStore(engine, Pauses(), lease_seconds=600.0)


@pytest.fixture
def hasty(engine: Engine) -> OutboxStore:
    """Leases are over as soon as they are taken, pauses last no time, and the third try ends it."""
    pauses = Pauses(NO_PAUSE, NO_PAUSE, total_hours=2 * NO_PAUSE / 3600)
    return OutboxStore(engine, pauses, lease_seconds=-1.0)


def rows_of(outbox: OutboxStore, job: Job) -> tuple[Delivery, ...]:
    """The job's deliveries."""
    return outbox.list_by_job([job.id])[job.id]


def show(outbox: OutboxStore, job: Job) -> set[tuple[str, str, str]]:
    """Where each of the job's deliveries stands: destination, what is sent, state."""
    return {
        (one.destination, one.template or str(one.event), one.state) for one in rows_of(outbox, job)
    }


def claim(outbox: OutboxStore) -> Delivery:
    """The next delivery."""
    delivery = outbox.claim_due()
    assert delivery is not None
    return delivery


def fail_for_good(outbox: OutboxStore) -> Delivery:
    """The next delivery, after its last try."""
    delivery = claim(outbox)
    assert outbox.fail(delivery, "HTTP 503")
    return delivery


def test_a_result_and_its_deliveries_are_there_together(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """Without a template in the plan, the job's first is sent."""
    job = finish(jobs, leases, plan_job(new_job, PACS, ECLIPSE, HOOK))

    assert show(outbox, job) == {
        ("pacs", "eclipse", "waiting"),
        ("tps", "eclipse", "waiting"),
        ("hook", "done", "waiting"),
    }


def test_a_result_that_lost_its_lease_leaves_no_delivery(
    jobs: JobStore, short_leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """The attempt that counts writes them."""
    (job,) = jobs.add([plan_job(new_job, PACS)])
    claimed = short_leases.claim("worker")
    assert claimed is not None
    short_leases.expire()

    with pytest.raises(Exception, match="no longer holds"):
        short_leases.fail(claimed, HELD)

    assert rows_of(outbox, job) == ()


def test_a_shadow_job_leaves_nothing_to_deliver(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """It runs to be compared."""
    job = finish(jobs, leases, plan_job(new_job, PACS, HOOK, is_shadow=True))

    assert show(outbox, job) == set()


def test_a_shadow_that_is_asked_for_in_earnest_is_delivered(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """The same series, model and templates are the same job."""
    job = finish(jobs, leases, plan_job(new_job, PACS, is_shadow=True))
    (known,) = jobs.add([plan_job(new_job)])
    without_destinations = show(outbox, job)

    jobs.add([plan_job(new_job, PACS)])

    assert (known.id, known.is_shadow) == (job.id, False)
    assert without_destinations == set()
    assert show(outbox, job) == {("pacs", "eclipse", "waiting")}


def test_a_job_that_is_asked_for_in_earnest_stays_so(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A rule in shadow beside it takes nothing away, and sends nothing."""
    jobs.add([plan_job(new_job, PACS), plan_job(new_job, ECLIPSE, is_shadow=True)])

    job = finish(jobs, leases, new_job())

    assert show(outbox, job) == {("pacs", "eclipse", "waiting")}


def test_a_partial_job_is_held_until_a_person_releases_it(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """Whoever is told of it knows that there is something to look at."""
    job = finish(jobs, leases, plan_job(new_job, PACS, HOOK), HELD)
    before = show(outbox, job)
    outbox.deliver(job.id)
    still_held = show(outbox, job)

    jobs.release(job.id)

    assert before == still_held == {("pacs", "eclipse", "held"), ("hook", "partial", "waiting")}
    assert show(outbox, job) == {
        ("pacs", "eclipse", "waiting"),
        ("hook", "partial", "waiting"),
        ("hook", "done", "waiting"),
    }


def test_what_a_rule_holds_for_review_leaves_when_a_person_says_so(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """One destination or all."""
    job = finish(jobs, leases, plan_job(new_job, REVIEWED, ECLIPSE))
    held = show(outbox, job)

    started = outbox.deliver(job.id, "pacs")

    assert held == {("pacs", "generic", "held"), ("tps", "eclipse", "waiting")}
    assert started == 1
    assert ("pacs", "generic", "waiting") in show(outbox, job)


@pytest.mark.parametrize("end", ["failed", "refused", "poisoned"])
def test_whoever_wants_to_know_is_told_of_a_job_that_failed(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build, end: str
) -> None:
    """However it ended, and nothing is sent to anybody else."""
    (job,) = jobs.add([plan_job(new_job, PACS, HOOK)])
    while jobs.find(job.id).state != end:
        claimed = leases.claim("worker")
        assert claimed is not None
        if end == "poisoned":
            leases.lose_child("worker")
        elif end == "refused":
            leases.refuse(claimed, Failure("tilted", "Tilted."))
        else:
            leases.fail(claimed, Failure("inference-failed", "It failed."))

    assert show(outbox, job) == {("hook", "failed", "waiting")}


def test_a_job_that_is_run_again_forgets_what_was_to_be_told(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """Its next end is news of its own."""
    job = finish(jobs, leases, plan_job(new_job, PACS, HOOK), HELD)

    jobs.retry(job.id)

    assert rows_of(outbox, job) == ()


def test_a_known_job_that_is_planned_again_gets_only_what_is_new(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A receiver that has it already does not get it again."""
    job = finish(jobs, leases, plan_job(new_job, PACS))
    outbox.succeed(claim(outbox))

    jobs.add([plan_job(new_job, ECLIPSE, PACS)])
    jobs.add([plan_job(new_job, ECLIPSE)])

    assert show(outbox, job) == {("pacs", "eclipse", "delivered"), ("tps", "eclipse", "waiting")}


def test_a_job_planned_again_while_it_runs_is_delivered_to_both(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """What a worker claimed need not know of the second plan."""
    jobs.add([plan_job(new_job, PACS), plan_job(new_job, ECLIPSE)])

    job = finish(jobs, leases, new_job())

    assert show(outbox, job) == {("pacs", "eclipse", "waiting"), ("tps", "eclipse", "waiting")}


def test_a_job_that_is_planned_by_many_at_once_goes_to_all(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """Each reads the plan that another is just extending."""
    planned = [PlannedDelivery(f"peer{number}") for number in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: jobs.add([plan_job(new_job, one)]), planned))
    job = finish(jobs, leases, new_job())

    assert sorted(row.destination for row in rows_of(outbox, job)) == [
        one.destination for one in planned
    ]


def test_many_couriers_never_claim_the_same(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A receiver that gets a structure set twice at a time may keep both."""
    planned = [PlannedDelivery(f"peer{number}") for number in range(12)]
    finish(jobs, leases, plan_job(new_job, *planned))

    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda _: outbox.claim_due(), range(18)))

    names = [one.destination for one in claimed if one is not None]
    assert sorted(names) == sorted(one.destination for one in planned)


def test_a_busy_destination_is_passed_over(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """A dead one holds nobody up."""
    finish(jobs, leases, plan_job(new_job, PACS, ECLIPSE))

    first = outbox.claim_due(busy=["tps"])
    second = outbox.claim_due(busy=["tps"])

    assert first is not None
    assert (first.destination, second) == ("pacs", None)


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


def test_deliveries_are_counted_by_state(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """For the metrics and the health page."""
    finish(jobs, leases, plan_job(new_job, PACS, ECLIPSE))
    outbox.succeed(claim(outbox), "with a note")

    counts = outbox.count_by_state()

    assert (counts[DeliveryState.DELIVERED], counts[DeliveryState.WAITING]) == (1, 1)
    assert counts[DeliveryState.FAILED] == 0
