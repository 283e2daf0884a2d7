"""A job's changes as server-sent events, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum

import anyio
from anyio import to_thread
from sse_starlette import ServerSentEvent

from service.schemas import build_job_view
from workers.deliveries import DeliveryState
from workers.identities import Identities
from workers.job_store import JobStore
from workers.jobs import TERMINAL
from workers.outbox_store import OutboxStore

POLL_SECONDS = 0.3
MOVING = (DeliveryState.WAITING, DeliveryState.SENDING)


class Until(StrEnum):
    """When a job is followed no longer."""

    ENDED = "ended"
    DELIVERED = "delivered"  # or held, or failed for good


async def follow_job(
    jobs: JobStore,
    outbox: OutboxStore,
    identities: Identities,
    job_id: str,
    until: Until = Until.ENDED,
) -> AsyncIterator[ServerSentEvent]:
    """An event `job` with the whole job at first and after every change."""
    sent = ""
    while True:
        job = await to_thread.run_sync(jobs.find, job_id)
        deliveries = (await to_thread.run_sync(outbox.list_by_job, [job_id]))[job_id]
        shown = await to_thread.run_sync(identities.reveal_job, job)
        view = build_job_view(shown, deliveries).model_dump_json()
        if view != sent:
            yield ServerSentEvent(data=view, event="job")
            sent = view
        is_moving = until is Until.DELIVERED and any(one.state in MOVING for one in deliveries)
        if job.state in TERMINAL and not is_moving:
            return
        await anyio.sleep(POLL_SECONDS)
