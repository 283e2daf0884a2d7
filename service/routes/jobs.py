"""/v1/jobs: send series, follow jobs, fetch results."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from sse_starlette import EventSourceResponse

from contouring.errors import WrongJobStateError
from service.context import Context, ContextOf
from service.events import follow_job
from service.intake import take_in
from service.problems import PROBLEM_RESPONSES
from service.schemas import (
    IntakeView,
    JobListView,
    JobView,
    build_intake_view,
    build_job_view,
)
from service.uploads import receive_upload
from workers.job_store import JobFilter
from workers.jobs import JobState, Priority
from workers.result_store import PREVIEW, RTSTRUCT

PAGE_LIMIT = 200

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=PROBLEM_RESPONSES)

_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "The series' DICOM files, or one zip of them.",
                        },
                        "model": {
                            "type": "string",
                            "description": "A name of /v1/models; without it the default runs.",
                        },
                        "priority": {"$ref": "#/components/schemas/Priority"},
                    },
                }
            }
        },
    }
}


def _describe_file(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content}}


@router.post("", status_code=HTTPStatus.ACCEPTED, openapi_extra=_UPLOAD_BODY)
async def send_series(request: Request, context: ContextOf) -> IntakeView:
    """Send CT series: one job for each; a job that is known already is answered as it stands."""
    with context.series.stage() as folder:
        upload = await receive_upload(request, folder, context.settings)
        intake = await to_thread.run_sync(take_in, upload, context)
    return build_intake_view(intake)


@router.get("")
def list_jobs(
    context: ContextOf,
    state: JobState | None = None,
    model: str | None = None,
    priority: Priority | None = None,
    series_instance_uid: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> JobListView:
    """List jobs, newest first."""
    wanted = JobFilter(state, model, priority, series_instance_uid)
    page = context.jobs.list_page(wanted, limit, after)
    return JobListView(
        jobs=[build_job_view(job) for job in page.jobs],
        next=page.jobs[-1].id if page.has_more else None,
    )


@router.get("/{job_id}")
def show_job(job_id: str, context: ContextOf) -> JobView:
    """Show one job."""
    return build_job_view(context.jobs.find(job_id))


@router.delete("/{job_id}", status_code=HTTPStatus.ACCEPTED)
def cancel_job(job_id: str, context: ContextOf) -> JobView:
    """Cancel a job that has not ended; a running one stops at its next step."""
    return build_job_view(context.jobs.cancel(job_id))


@router.post("/{job_id}/retry", status_code=HTTPStatus.ACCEPTED)
def retry_job(job_id: str, context: ContextOf) -> JobView:
    """Run a failed or cancelled job again, as a new attempt."""
    job = context.jobs.retry(job_id)
    context.reconciler.wake()
    return build_job_view(job)


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "An event `job`, with the job as its data, after every change.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
def follow(job_id: str, context: ContextOf) -> EventSourceResponse:
    """Follow a job as server-sent events, until it ends."""
    context.jobs.find(job_id)
    return EventSourceResponse(follow_job(context.jobs, job_id))


@router.get(
    "/{job_id}/rtstruct",
    response_class=FileResponse,
    responses=_describe_file("application/dicom", "The structure set."),
)
def fetch_rtstruct(job_id: str, context: ContextOf) -> FileResponse:
    """Fetch the RTSTRUCT of a finished job."""
    return _answer_file(job_id, context, RTSTRUCT, "application/dicom")


@router.get(
    "/{job_id}/preview.png",
    response_class=FileResponse,
    responses=_describe_file("image/png", "The contours drawn on the CT."),
)
def fetch_preview(job_id: str, context: ContextOf) -> FileResponse:
    """Fetch the preview picture of a finished job."""
    return _answer_file(job_id, context, PREVIEW, "image/png")


def _answer_file(job_id: str, context: Context, name: str, media_type: str) -> FileResponse:
    job = context.jobs.find(job_id)
    if job.result_folder is None:
        raise WrongJobStateError(job_id, job.state, "its result is there once it is done")
    return FileResponse(context.results.find_file(job.result_folder, name), media_type=media_type)
