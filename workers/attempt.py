"""One attempt at one job: read the series, contour it, keep the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from contouring.dicom_series import read_series
from contouring.errors import JobError
from contouring.pipeline import Contouring, contour_series
from contouring.rtstruct import Stamp
from workers.heartbeat import Heartbeat
from workers.jobs import Job, StructureRecord
from workers.lease_store import LeaseStore, NewResult
from workers.predictors import Predictors
from workers.result_store import ResultStore
from workers.series_store import SeriesStore

REPORT_SECONDS = 0.5
"""Shortest time between two reports of the same stage: each is a synced write."""


@dataclass(frozen=True)
class Workplace:
    """All that an attempt works with."""

    leases: LeaseStore
    series: SeriesStore
    results: ResultStore
    predictors: Predictors
    heartbeat_seconds: float


def run_attempt(job: Job, place: Workplace) -> None:
    """Contour a claimed job and make its result visible, or raise and leave nothing visible."""
    with Heartbeat(place.leases, job, place.heartbeat_seconds) as heartbeat:
        contouring = _contour(job, place, heartbeat)
        heartbeat.check()
        _commit(job, contouring, place)


def _contour(job: Job, place: Workplace, heartbeat: Heartbeat) -> Contouring:
    cascade = place.predictors.open(job.model_name, job.model_checksum)
    series = read_series(place.series.find_folder(job.series_digest))
    # The job's own time, not the attempt's: a rerun must give the same bytes.
    stamp = Stamp(made_at=job.created_at, software_version=version("oarlock"))
    progress = _build_progress(job, place.leases, heartbeat)
    contouring = contour_series(series, cascade, stamp, progress)
    # The job has the series' warnings since the upload, with the sender's names of the files.
    new = tuple(warning for warning in contouring.warnings if warning not in series.warnings)
    return replace(contouring, warnings=new)


def _build_progress(
    job: Job, leases: LeaseStore, heartbeat: Heartbeat
) -> Callable[[str, float], None]:
    shown_stage, shown_at = "", 0.0

    def report(stage: str, fraction: float) -> None:
        nonlocal shown_stage, shown_at
        heartbeat.check()
        now = time.monotonic()
        if stage != shown_stage or now - shown_at >= REPORT_SECONDS:
            leases.report(job, stage, fraction)
            shown_stage, shown_at = stage, now

    return report


def _commit(job: Job, contouring: Contouring, place: Workplace) -> None:
    stored = place.results.keep(job.id, job.fence, contouring.rtstruct, contouring.preview_png)
    result = NewResult(
        folder=stored.folder,
        rtstruct_sha256=stored.rtstruct_sha256,
        structures=tuple(
            StructureRecord(**asdict(structure)) for structure in contouring.structures
        ),
        warnings=contouring.warnings,
        stage_seconds=contouring.stage_seconds,
    )
    try:
        place.leases.finish(job, result)
    except JobError:
        place.results.drop(stored)
        raise
