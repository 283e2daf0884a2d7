"""/v1/jobs/{id}/comparison: what a shadow would have changed."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query

from contouring.errors import UnknownJobError
from service.access.declarations import ProjectOf, needs
from service.access.roles import Permission
from service.comparisons import ComparisonView, compare_jobs, find_live_job
from service.context import Context, ContextOf
from service.problems import PROBLEM_RESPONSES
from service.routes.jobs import note_use
from workers.audit.events import AuditEvent

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=PROBLEM_RESPONSES)


@router.get("/{job_id}/comparison")
@needs(Permission.VIEW)
async def compare(
    job_id: str,
    context: ContextOf,
    project: ProjectOf,
    other_id: Annotated[
        str | None,
        Query(alias="with", description="A job of the same series; without it the live one."),
    ] = None,
) -> ComparisonView:
    """Hold a job's structure set against another one's of the same series."""
    return await to_thread.run_sync(
        _compare, job_id, other_id, project, context, limiter=context.judging
    )


def _compare(
    job_id: str, other_id: str | None, project: str | None, context: Context
) -> ComparisonView:
    job = context.jobs.find(job_id)
    other = find_live_job(job, context) if other_id is None else context.jobs.find(other_id)
    if project not in (None, other.project):
        raise UnknownJobError(other.id)
    note_use(AuditEvent.RESULT_VIEWED, job, context, {"what": "comparison", "with": other.id})
    return compare_jobs(job, other, context)
