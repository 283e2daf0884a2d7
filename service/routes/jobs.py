"""/v1/jobs: send series, follow jobs, fetch results."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException

from contouring.errors import (
    ReleaseCheckError,
    UnknownDestinationError,
    UnknownTemplateError,
    UnusableInputError,
    WrongJobStateError,
)
from contouring.opened_files import read_file
from service.access.declarations import ProjectOf, needs
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.dicomweb.multipart_answer import answer_file
from service.events import Until, follow_job
from service.intake import Intake, take_in
from service.problems import PROBLEM_RESPONSES
from service.reports import ReportView
from service.schemas import (
    IntakeView,
    JobListView,
    JobView,
    build_intake_view,
    build_job_view,
)
from service.uploads import UPLOAD_BODY, Upload, find_address, receive_upload
from workers.audit.actors import read_actor
from workers.audit.entries import AuditEntry, Details
from workers.audit.events import AuditEvent, Outcome
from workers.early_syncs import EarlySyncs
from workers.job_store import JobFilter
from workers.jobs import Job, JobState, OutputRecord, Priority
from workers.result_files import PREVIEW, REPORT
from workers.result_store import name_folder
from workers.sources import Source, SourceKind

PAGE_LIMIT = 200
DICOM = "application/dicom"

TemplateOf = Annotated[
    str | None, Query(description="A template of the job; needed if it has several.")
]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=PROBLEM_RESPONSES)


JOB_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobView"},
        },
    },
}


def _describe_file(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content}}


@router.post("", status_code=HTTPStatus.ACCEPTED, openapi_extra=UPLOAD_BODY)
@needs(Permission.SEND)
async def send_series(request: Request, context: ContextOf, project: ProjectOf) -> IntakeView:
    """Send CT series: one job for each; a job that is known already is answered as it stands."""
    with context.series.stage() as folder, EarlySyncs() as syncs:
        upload = await receive_upload(
            request, folder, context.settings, lambda file: syncs.begin(file.path)
        )
        address = find_address(request)
        source = Source("upload", SourceKind.UPLOAD, address=address, project=project)
        intake = await to_thread.run_sync(_take_in, upload, source, syncs, context)
    job_ids = [job.id for job in intake.jobs]
    deliveries = await to_thread.run_sync(context.outbox.list_by_job, job_ids)
    return build_intake_view(intake, deliveries)


@router.get("")
@needs(Permission.VIEW)
def list_jobs(  # noqa: PLR0913 - what the query may say, each by its name
    context: ContextOf,
    project: ProjectOf,
    state: JobState | None = None,
    model: str | None = None,
    priority: Priority | None = None,
    series_instance_uid: str | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> JobListView:
    """List jobs, newest first."""
    hidden = context.identities.hide_uid(series_instance_uid) if series_instance_uid else None
    wanted = JobFilter(state, model, priority, hidden, project)
    page = context.jobs.list_page(wanted, limit, after)
    deliveries = context.outbox.list_by_job([job.id for job in page.jobs])
    return JobListView(
        jobs=[
            build_job_view(context.identities.reveal_job(job), deliveries[job.id])
            for job in page.jobs
        ],
        next=page.jobs[-1].id if page.has_more else None,
    )


@router.get("/{job_id}")
@needs(Permission.FOLLOW)
def show_job(job_id: str, context: ContextOf) -> JobView:
    """Show one job."""
    return _show(context.jobs.find(job_id), context)


@router.delete("/{job_id}", status_code=HTTPStatus.ACCEPTED)
@needs(Permission.REVIEW)
def cancel_job(job_id: str, context: ContextOf) -> JobView:
    """Cancel a job that has not ended; a running one stops at its next step."""
    return _show(context.jobs.cancel(job_id), context)


@router.post("/{job_id}/retry", status_code=HTTPStatus.ACCEPTED)
@needs(Permission.REVIEW)
def retry_job(job_id: str, context: ContextOf) -> JobView:
    """Run a job that ended without a whole result again, as a new attempt."""
    job = context.jobs.retry(job_id)
    context.reconciler.wake()
    return _show(job, context)


@router.post("/{job_id}/release")
@needs(Permission.REVIEW)
def release_job(job_id: str, context: ContextOf) -> JobView:
    """Give out the files of a partial job, once a person has seen which structures failed."""
    job = context.jobs.release(job_id)
    context.courier.wake()
    return _show(job, context)


@router.post("/{job_id}/deliver", status_code=HTTPStatus.ACCEPTED)
@needs(Permission.REVIEW)
def deliver_job(
    job_id: str,
    context: ContextOf,
    destination: Annotated[
        str | None, Query(description="A destination of the job; without it, all of them.")
    ] = None,
) -> JobView:
    """Send what is held for review, and what has failed or waits once more; all else stays."""
    job = context.jobs.find(job_id)
    if job.state is JobState.PARTIAL:
        raise WrongJobStateError(
            job_id, job.state, f"look at its report, then POST /v1/jobs/{job_id}/release"
        )
    planned = {one.destination for one in context.outbox.list_by_job([job_id])[job_id]}
    if destination is not None and destination not in planned:
        raise UnknownDestinationError(destination, sorted(planned))
    context.outbox.deliver(job_id, destination)
    context.courier.wake()
    return _show(job, context)


@router.put("/{job_id}/legal-hold")
@needs(Permission.HOLD)
def set_legal_hold(job_id: str, context: ContextOf) -> JobView:
    """Keep a job, its series and its results from being purged."""
    return _show(context.jobs.set_legal_hold(job_id, True), context)


@router.delete("/{job_id}/legal-hold")
@needs(Permission.HOLD)
def lift_legal_hold(job_id: str, context: ContextOf) -> JobView:
    """Let the time after which a job is purged count again."""
    return _show(context.jobs.set_legal_hold(job_id, False), context)


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "An event `job`, with the job as its data, after every change.",
            # The schema is of each event: OpenAPI 3.1 has no word for that.
            "content": {"text/event-stream": {"schema": JOB_EVENT}},
        }
    },
)
@needs(Permission.FOLLOW)
def follow(job_id: str, context: ContextOf, until: Until = Until.ENDED) -> EventSourceResponse:
    """Follow a job as server-sent events, until it ends or what it left has been delivered."""
    context.jobs.find(job_id)
    events = follow_job(context.jobs, context.outbox, context.identities, job_id, until)
    return EventSourceResponse(events)


@router.get(
    "/{job_id}/rtstruct",
    response_class=FileResponse,
    responses=_describe_file(DICOM, "The structure set."),
)
@needs(Permission.FETCH)
def fetch_rtstruct(job_id: str, context: ContextOf, template: TemplateOf = None) -> Response:
    """Fetch the RTSTRUCT of a finished job, which counts as its delivery."""
    job, folder = _find_released(job_id, context)
    output = _pick_output(job, template)
    told = {"what": "structure-set", "template": output.template}
    note_use(AuditEvent.RESULT_EXPORTED, job, context, told)
    note = partial(context.retention.note_delivery, job.id, output.template)
    return _answer_restored(job, folder, output.rtstruct, context, note)


@router.get(
    "/{job_id}/segmentation",
    response_class=FileResponse,
    responses=_describe_file(DICOM, "The segmentation."),
)
@needs(Permission.FETCH)
def fetch_segmentation(job_id: str, context: ContextOf, template: TemplateOf = None) -> Response:
    """Fetch the DICOM SEG of a finished job, if its template asks for one."""
    job, folder = _find_released(job_id, context)
    output = _pick_output(job, template)
    if output.segmentation is None:
        raise HTTPException(
            HTTPStatus.NOT_FOUND, f"the template {output.template} asks for no segmentation"
        )
    told = {"what": "segmentation", "template": output.template}
    note_use(AuditEvent.RESULT_EXPORTED, job, context, told)
    return _answer_restored(job, folder, output.segmentation, context)


@router.get(
    "/{job_id}/preview.png",
    response_class=FileResponse,
    responses=_describe_file("image/png", "The contours drawn on the CT."),
)
@needs(Permission.VIEW)
def fetch_preview(job_id: str, context: ContextOf) -> Response:
    """Fetch the preview picture of a finished job."""
    job, folder = _find_result(job_id, context)
    note_use(AuditEvent.RESULT_VIEWED, job, context, {"what": "preview"})
    return answer_file("image/png", nullcontext(context.results.find_file(folder, PREVIEW)))


@router.get("/{job_id}/report")
@needs(Permission.VIEW)
def fetch_report(job_id: str, context: ContextOf) -> ReportView:
    """Fetch the report of a finished job: structures, flags, warnings, the release check.

    A job that failed its release check has one, too: of the structure set that was withheld.
    """
    folder = _find_withheld(job_id, context) or _find_result(job_id, context)[1]
    path = context.results.find_file(folder, REPORT)
    if not path.exists():
        raise HTTPException(
            HTTPStatus.NOT_FOUND, "the job was done by a version that wrote no reports"
        )
    job = context.jobs.find(job_id)
    note_use(AuditEvent.RESULT_VIEWED, job, context, {"what": "report"})
    return ReportView.model_validate_json(context.identities.reveal_report(read_file(path), job))


def note_use(event: AuditEvent, job: Job, context: Context, details: Details) -> None:
    """Record that a result is looked at or leaves, before it does: else it does not."""
    study = job.study_instance_uid
    context.audit.note(AuditEntry(event, job_id=job.id, study_uid=study, details=details))


def _take_in(upload: Upload, source: Source, syncs: EarlySyncs, context: Context) -> Intake:
    """An upload that makes no job leaves a record all the same."""
    try:
        return take_in(upload, source, syncs, context)
    except UnusableInputError as error:
        refused = {"state": "refused", "fault": error.code}
        context.refusals.note(
            AuditEntry(
                AuditEvent.SERIES_IMPORTED, Outcome.MINOR_FAILURE, read_actor(), details=refused
            )
        )
        raise


def _show(job: Job, context: Context) -> JobView:
    deliveries = context.outbox.list_by_job([job.id])[job.id]
    return build_job_view(context.identities.reveal_job(job), deliveries)


def _find_result(job_id: str, context: Context) -> tuple[Job, str]:
    job = context.jobs.find(job_id)
    if job.result_folder is None:
        raise WrongJobStateError(job_id, job.state, "its result is there once it is done")
    return job, job.result_folder


def _find_released(job_id: str, context: Context) -> tuple[Job, str]:
    """A result whose structure sets may leave."""
    job, folder = _find_result(job_id, context)
    if job.state is JobState.PARTIAL:
        raise WrongJobStateError(
            job_id, job.state, f"look at its report, then POST /v1/jobs/{job_id}/release"
        )
    return job, folder


def _find_withheld(job_id: str, context: Context) -> str | None:
    """Where a job that failed its release check left its report."""
    job = context.jobs.find(job_id)
    has_failed = job.failure is not None and job.failure.code == ReleaseCheckError.code
    return name_folder(job.id, job.fence) if has_failed else None


def _pick_output(job: Job, template: str | None) -> OutputRecord:
    """What a template made; nobody guesses which of several is meant."""
    outputs = {output.template: output for output in job.outputs}
    if template is None and len(outputs) > 1:
        fault = f"is needed, for this job has several: {', '.join(outputs)}"
        raise RequestValidationError([{"loc": ("query", "template"), "msg": fault}])
    name = next(iter(outputs)) if template is None else template
    if name not in outputs:
        raise UnknownTemplateError(name, list(outputs))
    return outputs[name]


def _answer_restored(
    job: Job,
    folder: str,
    name: str,
    context: Context,
    once_sent: Callable[[], None] | None = None,
) -> Response:
    """A structure set or segmentation, as the patient's."""
    kept = context.results.find_file(folder, name)
    return answer_file(DICOM, context.identities.restored(kept, job.id), once_sent)
