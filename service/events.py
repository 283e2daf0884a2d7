"""A job's changes as server-sent events, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
from anyio import to_thread
from sse_starlette import ServerSentEvent

from service.schemas import build_job_view
from workers.job_store import JobStore
from workers.jobs import TERMINAL

POLL_SECONDS = 0.3


async def follow_job(jobs: JobStore, job_id: str) -> AsyncIterator[ServerSentEvent]:
    """An event `job` with the whole job at first and after every change."""
    sent = ""
    while True:
        job = await to_thread.run_sync(jobs.find, job_id)
        view = build_job_view(job).model_dump_json()
        if view != sent:
            yield ServerSentEvent(data=view, event="job")
            sent = view
        if job.state in TERMINAL:
            return
        await anyio.sleep(POLL_SECONDS)
