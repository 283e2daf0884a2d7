"""What the service answers, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from contouring.dicom_series import RefusedSeries
from contouring.errors import ReleaseCheckError
from contouring.structures import Status
from models.bundles import Bundle
from models.card import ModelCard
from service.intake import Intake
from service.notices import NoticeView
from workers.deliveries import Delivery, DeliveryState, JobEvent
from workers.job_templates import read_templates
from workers.jobs import Job, JobState, OutputRecord, Priority


class SeriesView(BaseModel):
    """The CT series of a job."""

    study_instance_uid: str
    series_instance_uid: str
    description: str
    slices: int


class JobModelView(BaseModel):
    """The model of a job."""

    name: str
    checksum: str = Field(description="SHA-256 over the model's card and artifacts.")


class JobTemplateView(BaseModel):
    """A template of a job."""

    name: str
    checksum: str = Field(description="SHA-256 of the template's file.")


class StructureView(BaseModel):
    """What became of one structure that a template wants."""

    template: str
    name: str = Field(description="As the template's RTSTRUCT has it.")
    source: str = Field(description="The model's structure, or the template's derived one.")
    status: Status
    reason: str = Field(description="Why it is not contoured; empty if it is.")
    volume_cm3: float
    slices: int
    contours: int
    flags: list[NoticeView] = Field(description="What a person should look at.")


class OutputView(BaseModel):
    """Where to fetch what a finished job made for one template."""

    template: str
    rtstruct: str
    segmentation: str | None = Field(description="A DICOM SEG, where the template asks for one.")


class DeliveryView(BaseModel):
    """One structure set on its way to one destination, or the news of an event for a webhook."""

    model_config = ConfigDict(from_attributes=True)

    destination: str
    template: str = Field(description="Empty for a webhook, which is told and not sent anything.")
    event: JobEvent | None = Field(description="What a webhook is told.")
    state: DeliveryState
    tries: int
    next_try_at: datetime | None = Field(description="Null: at once, or never.")
    delivered_at: datetime | None
    error: str = Field(description="Why the last try failed; empty if it did not.")
    note: str = Field(description="What the destination said besides.")


class FailureView(BaseModel):
    """Why a job failed, was refused or is held."""

    code: str = Field(description="Stable name of the failure, or of the series' fault.")
    reason: str


class LinksView(BaseModel):
    """Where to read on; a job that is held has a preview and a report, and no structure set."""

    self: str
    events: str
    rtstruct: str | None = Field(description="Of the first template; all are in `outputs`.")
    preview: str | None
    report: str | None
    comparison: str | None = Field(description="Of a shadow's result with the live one.")


class JobView(BaseModel):
    """One CT series, one model, any number of templates: where the work stands."""

    id: str
    state: JobState
    priority: Priority
    model: JobModelView
    templates: list[JobTemplateView]
    series: SeriesView
    stage: str | None = Field(
        description="open, find, read, localize, segment, contour, write or check."
    )
    progress: float = Field(description="How much of the stage is done, 0 to 1.")
    attempt: int
    cancel_requested: bool
    legal_hold: bool = Field(description="Whether it is kept from being purged.")
    rule: str = Field(description="The rule that ordered it; empty where its sender did.")
    is_shadow: bool = Field(
        description="Whether its result stays here, to be compared at `links.comparison`."
    )
    request_id: str | None = Field(
        description="X-Request-ID of the upload that it was made of; null if it came another way."
    )
    project: str | None = Field(description="Whose it is alone; null: the whole site's.")
    superseded_by: str | None = Field(
        description="Id of the job that counts in its place: slices of its series came late."
    )
    warnings: list[str]
    structures: list[StructureView]
    outputs: list[OutputView] = Field(description="One for each template, once the job is done.")
    deliveries: list[DeliveryView] = Field(description="What goes to the planned destinations.")
    failure: FailureView | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: LinksView


class RefusedSeriesView(BaseModel):
    """A CT series that cannot be contoured faithfully."""

    series_instance_uid: str
    fault: str = Field(description="Stable name of the fault.")
    reason: str
    files: int


class IntakeView(BaseModel):
    """What became of an upload."""

    jobs: list[JobView]
    refused: list[RefusedSeriesView]
    ignored: list[str] = Field(description="Files that are no CT slice, and what they are.")


class JobListView(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="Value of `after` for the next page; null on the last.")


class ModelSummaryView(BaseModel):
    """A model that jobs can name."""

    name: str
    version: str
    checksum: str
    is_default: bool
    intended_use: str
    structures: list[str]


class ModelListView(BaseModel):
    """All models."""

    models: list[ModelSummaryView]


class ModelView(BaseModel):
    """A model and its whole card."""

    checksum: str
    is_default: bool
    card: ModelCard


class HealthView(BaseModel):
    """Whether the service can work: `degraded` means that jobs are accepted but must wait."""

    status: str
    parts: dict[str, str]


def build_job_view(job: Job, deliveries: Iterable[Delivery]) -> JobView:
    """A job and its deliveries as HTTP shows them."""
    address = f"/v1/jobs/{job.id}"
    has_result = job.result_folder is not None
    is_released = job.state is JobState.DONE
    was_withheld = job.failure is not None and job.failure.code == ReleaseCheckError.code
    outputs = [_build_output(output, address) for output in job.outputs if is_released]
    return JobView(
        id=job.id,
        state=job.state,
        priority=job.priority,
        model=JobModelView(name=job.model_name, checksum=job.model_checksum),
        templates=[
            JobTemplateView(name=name, checksum=checksum)
            for name, checksum in read_templates(job.parameters)
        ],
        series=SeriesView(
            study_instance_uid=job.study_instance_uid,
            series_instance_uid=job.series_instance_uid,
            description=job.series_description,
            slices=job.slice_count,
        ),
        stage=job.stage,
        progress=job.progress,
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        legal_hold=job.legal_hold,
        rule=job.rule,
        is_shadow=job.is_shadow,
        request_id=job.request_id,
        project=job.project,
        superseded_by=job.superseded_by,
        warnings=list(job.warnings),
        structures=[StructureView(**asdict(structure)) for structure in job.structures],
        outputs=outputs,
        deliveries=[DeliveryView.model_validate(delivery) for delivery in deliveries],
        failure=FailureView(**asdict(job.failure)) if job.failure else None,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        links=LinksView(
            self=address,
            events=f"{address}/events",
            rtstruct=outputs[0].rtstruct if outputs else None,
            preview=f"{address}/preview.png" if has_result else None,
            report=f"{address}/report" if has_result or was_withheld else None,
            comparison=f"{address}/comparison" if has_result and job.is_shadow else None,
        ),
    )


def build_intake_view(intake: Intake, deliveries: Mapping[str, Iterable[Delivery]]) -> IntakeView:
    """The answer to an upload; `deliveries`: of its jobs, by their ids."""
    return IntakeView(
        jobs=[build_job_view(job, deliveries[job.id]) for job in intake.jobs],
        refused=[_build_refused_view(refused) for refused in intake.refused],
        ignored=list(intake.ignored),
    )


def _build_output(output: OutputRecord, address: str) -> OutputView:
    asked = urlencode({"template": output.template})
    return OutputView(
        template=output.template,
        rtstruct=f"{address}/rtstruct?{asked}",
        segmentation=f"{address}/segmentation?{asked}" if output.segmentation else None,
    )


def build_model_summary(bundle: Bundle, default_model: str) -> ModelSummaryView:
    """A model in a list."""
    card = bundle.card
    return ModelSummaryView(
        name=card.name,
        version=card.version,
        checksum=bundle.checksum,
        is_default=card.name == default_model,
        intended_use=card.intended_use,
        structures=[structure.name for structure in card.structures],
    )


def _build_refused_view(refused: RefusedSeries) -> RefusedSeriesView:
    return RefusedSeriesView(
        series_instance_uid=refused.series_instance_uid,
        fault=refused.fault,
        reason=refused.reason,
        files=refused.file_count,
    )
