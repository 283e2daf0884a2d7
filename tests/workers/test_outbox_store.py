"""Deliveries are written with the result, claimed by one courier, and end delivered or failed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.workers.deliveries import HELD, HOOK, finish, plan_job
from tests.workers.outbox_looks import claim, rows_of, show
from workers.deliveries import DeliveryState
from workers.job_store import JobStore
from workers.jobs import Failure, NewJob, PlannedDelivery
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore

PACS, ECLIPSE = PlannedDelivery("pacs"), PlannedDelivery("tps", "eclipse")
REVIEWED = PlannedDelivery("pacs", "generic", is_held=True)
Build = Callable[..., NewJob]


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


def test_deliveries_are_counted_by_state(
    jobs: JobStore, leases: LeaseStore, outbox: OutboxStore, new_job: Build
) -> None:
    """For the metrics and the health page."""
    finish(jobs, leases, plan_job(new_job, PACS, ECLIPSE))
    outbox.succeed(claim(outbox), "with a note")

    counts = outbox.count_by_state()

    assert (counts[DeliveryState.DELIVERED], counts[DeliveryState.WAITING]) == (1, 1)
    assert counts[DeliveryState.FAILED] == 0
