"""A finished job's report, as JSON: what `workers.result_files` wrote."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from contouring.structures import Status
from service.judgements import FindingView
from service.notices import NoticeView


class ReportModelView(BaseModel):
    """The model that drew."""

    name: str
    version: str
    checksum: str
    runtime: str
    plan: str = Field(description="Its window plan, on which the contours depend, in words.")


class AccountView(BaseModel):
    """What became of one structure that the template wants."""

    name: str
    source: str
    status: Status
    reason: str
    volume_cm3: float
    slices: int
    contours: int
    flags: list[NoticeView]


class AgreementView(BaseModel):
    """A structure as the written file holds it, against what the network said."""

    name: str
    volume_file_cm3: float
    volume_field_cm3: float
    dice: float


class ReleaseView(BaseModel):
    """The release check: the file read back by separate code."""

    agreements: list[AgreementView]
    findings: list[FindingView]
    breaches: list[str] = Field(description="Empty, unless the job failed for them.")


class ReportOutputView(BaseModel):
    """One template's structure set."""

    template: str
    structures: list[AccountView]
    release: ReleaseView


class ReportView(BaseModel):
    """What a person who reviews a finished job wants to know."""

    series_instance_uid: str
    model: ReportModelView
    made_at: datetime = Field(description="As the structure sets have it.")
    software_version: str
    warnings: list[NoticeView]
    outputs: list[ReportOutputView]
    stage_seconds: dict[str, float] = Field(
        description="By the pipeline's stages; before them `find`, the headers, and `open` where "
        "the job had to open its model."
    )
    region_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Of the scan's voxels, what the localizer left to the segmenter; null where "
        "the report does not tell.",
    )
