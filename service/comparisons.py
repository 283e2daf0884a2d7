"""Two results of the same series side by side: a shadow's and the live one's, or any others."""

from __future__ import annotations

import logging
from http import HTTPStatus

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from contouring.comparison import TOLERANCE_MM, compare_structure_sets
from contouring.dicom_series import CTSeries, read_series
from contouring.errors import UnusableInputError, WrongJobStateError
from contouring.opened_files import read_file
from service.context import Context
from workers.jobs import Job, OutputRecord

log = logging.getLogger(__name__)


class DifferenceView(BaseModel):
    """One structure in both results; what only one has no distance from."""

    name: str
    volume_cm3: float
    other_volume_cm3: float
    dice: float | None
    surface_dice: float | None = Field(
        description="Share of both surfaces within the tolerance of the other."
    )
    furthest_mm: float | None


class ComparisonView(BaseModel):
    """How two jobs' structure sets of the same series differ."""

    job: str
    other: str = Field(description="The live job, where nobody names another.")
    model: str
    other_model: str
    template: str
    other_template: str
    tolerance_mm: float = TOLERANCE_MM
    structures: list[DifferenceView]


def compare_jobs(job: Job, other: Job, context: Context) -> ComparisonView:
    """Read both structure sets and hold them against each other; takes seconds on a large scan.

    Raises `WrongJobStateError` where one has no result, and 409 where they are of two series.
    """
    if job.series_digest != other.series_digest:
        raise HTTPException(
            HTTPStatus.CONFLICT, f"the jobs {job.id} and {other.id} are of different series"
        )
    ours, theirs = _pick_outputs(job, other)
    series = _read_series(job, context)
    differences = compare_structure_sets(
        _read(job, ours, context), _read(other, theirs, context), series
    )
    return ComparisonView(
        job=job.id,
        other=other.id,
        model=job.model_name,
        other_model=other.model_name,
        template=ours.template,
        other_template=theirs.template,
        structures=[DifferenceView(**vars(difference)) for difference in differences],
    )


def find_live_job(job: Job, context: Context) -> Job:
    """The job whose result left, of the same series; raises 409 where there is none."""
    for other in context.jobs.find_by_series(job.series_digest):
        is_ours = other.id != job.id and other.project == job.project
        if is_ours and not other.is_shadow and other.outputs:
            return other
    raise HTTPException(
        HTTPStatus.CONFLICT,
        f"no live job of the series of {job.id} is done: name another one with ?with=JOB",
    )


def _read_series(job: Job, context: Context) -> CTSeries:
    """What is kept is no upload: whoever asks could not mend a fault in it."""
    context.series.check(job.series_digest)
    try:
        return read_series(context.series.find_folder(job.series_digest), has_known_names=False)
    except UnusableInputError as error:
        log.error("the series of %s cannot be read", job.id, exc_info=error)
        raise HTTPException(
            HTTPStatus.CONFLICT, f"the series of {job.id} is not kept any more, or not whole"
        ) from error


def _pick_outputs(job: Job, other: Job) -> tuple[OutputRecord, OutputRecord]:
    """Of the same template where there is one: two templates may name a structure differently."""
    for one in (job, other):
        if not one.outputs:
            raise WrongJobStateError(one.id, one.state, "only jobs with a result are compared")
    theirs = {output.template: output for output in other.outputs}
    for output in job.outputs:
        if output.template in theirs:
            return output, theirs[output.template]
    return job.outputs[0], other.outputs[0]


def _read(job: Job, output: OutputRecord, context: Context) -> bytes:
    assert job.result_folder is not None  # it has outputs
    return read_file(context.results.find_file(job.result_folder, output.rtstruct))
