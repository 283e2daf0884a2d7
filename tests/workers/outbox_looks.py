"""The outbox as its tests look at it."""

from __future__ import annotations

from workers.deliveries import Delivery
from workers.jobs import Job
from workers.outbox_store import OutboxStore


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
