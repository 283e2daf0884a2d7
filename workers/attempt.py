"""One attempt at one job: read the series, contour it, keep the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from contouring.dicom_series import CTSeries, read_series
from contouring.errors import JobError, ReleaseCheckError
from contouring.notices import Notice
from contouring.pipeline import Contouring, Progress, Stopwatch, contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.volume import CTVolume
from models.economy import ECONOMIES, Economy
from models.templates import find_templates
from workers.heartbeat import Heartbeat
from workers.instances import ReceivedInstance, identify
from workers.job_templates import open_templates
from workers.jobs import Job
from workers.lease_store import LeaseStore, NewResult
from workers.predictors import Predictors, runs_on_gpu
from workers.prefetch import Prefetch
from workers.result_files import (
    DICOM_SUFFIX,
    REPORT,
    build_files,
    build_hold,
    build_output_records,
    build_report,
    build_structure_records,
    build_withheld_report,
    encode_report,
)
from workers.result_store import ResultStore, StoredResult
from workers.series_store import SeriesStore

REPORT_SECONDS = 0.5
"""Shortest time between two reports of the same stage: each is a synced write."""

OPEN, FIND = "open", "find"
"""What a worker does before the pipeline's stages: a model that was not open yet, and headers."""

NETWORK_STAGES = ("localize", "segment")


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """All that an attempt works with."""

    leases: LeaseStore
    series: SeriesStore
    results: ResultStore
    predictors: Predictors
    prefetch: Prefetch
    template_folders: tuple[Path, ...]
    heartbeat_seconds: float
    holds_partial: bool = True
    check_keys: Callable[[], None] = lambda: None  # of files that are encrypted


@dataclass(frozen=True)
class _Attempt:
    series: CTSeries
    cascade: Cascade
    stamp: Stamp
    contouring: Contouring


def run_attempt(job: Job, place: Workplace) -> None:
    """Contour a claimed job and make its result visible, or raise and leave nothing visible."""
    with Heartbeat(place.leases, job, place.heartbeat_seconds) as heartbeat:
        attempt = _contour(job, place, heartbeat)
        heartbeat.check()
        _commit(job, attempt, place)


def _contour(job: Job, place: Workplace, heartbeat: Heartbeat) -> _Attempt:
    """With less memory each time there is not enough; MemoryError once nothing is left to save."""
    progress = _build_progress(job, place.leases, heartbeat)
    tried: set[tuple[str, str]] = set()
    for economy in ECONOMIES:
        attempt = _try(economy, job, place, progress, tried)
        if attempt is None and place.prefetch.give_up():
            # No job does with less for the sake of the next one: once more, alone in memory.
            tried.clear()
            attempt = _try(economy, job, place, progress, tried)
        if attempt is not None:
            return attempt
    raise MemoryError


def _try(
    economy: Economy, job: Job, place: Workplace, progress: Progress, tried: set[tuple[str, str]]
) -> _Attempt | None:
    """None where there was not memory enough, or nothing new to try."""
    try:
        attempt = _contour_sparing(economy, job, place, progress, tried)
    except MemoryError as error:
        log.warning("job %s: not enough memory (%s) for %s", job.id, error, economy)
        attempt = None
    if economy != ECONOMIES[0] or attempt is None:
        # The next one, be it of this job or another, must find the memory that this one had.
        place.predictors.close_all()
    return attempt


def _contour_sparing(
    economy: Economy, job: Job, place: Workplace, progress: Progress, tried: set[tuple[str, str]]
) -> _Attempt | None:
    """None where the model would only run as one that was `tried`, by its runtime and plan."""
    templates = open_templates(find_templates(place.template_folders), job.parameters)
    watch = Stopwatch(progress)
    cascade = _open(job, place, economy, watch)
    way = (cascade.runtime, cascade.plan)
    if way in tried:
        return None
    tried.add(way)
    series, ct = _find(job, place, watch)
    # The job's own time, not the attempt's: a rerun must give the same bytes.
    stamp = Stamp(made_at=job.created_at, software_version=version("oarlock"))
    told = replace(series, warnings=series.warnings + _tell_spared(economy))
    try:
        beside = _read_ahead(job, place, cascade, progress)
        contouring = contour_series(told, cascade, stamp, templates, beside, ct)
    except ReleaseCheckError as error:
        if error.withheld is not None:
            report = build_withheld_report(series, cascade, stamp, error.withheld)
            _keep({REPORT: encode_report(report)}, job, place)
        raise
    seconds = watch.seconds | contouring.stage_seconds
    return _Attempt(series, cascade, stamp, replace(contouring, stage_seconds=seconds))


def _open(job: Job, place: Workplace, economy: Economy, watch: Stopwatch) -> Cascade:
    """The job's model; the time is told of the one job that had to open it."""
    if place.predictors.has_open(job.model_checksum, economy):
        return place.predictors.open(job.model_name, job.model_checksum, economy)
    with watch.stage(OPEN):
        return place.predictors.open(job.model_name, job.model_checksum, economy)


def _find(job: Job, place: Workplace, watch: Stopwatch) -> tuple[CTSeries, CTVolume | None]:
    """The job's series, and its voxels if they were read ahead."""
    with watch.stage(FIND) as done:
        place.series.check(job.series_digest)
        prepared = place.prefetch.take(job.series_digest, lambda: done(0.0))
        if prepared is not None:
            return prepared.series, prepared.ct
        return read_series(place.series.find_folder(job.series_digest), has_known_names=False), None


def _read_ahead(job: Job, place: Workplace, cascade: Cascade, progress: Progress) -> Progress:
    """`progress` which looks for the next series whenever a network begins or ends."""
    if job.child_deaths or job.lost_leases:
        return progress  # it may have lost its process to what was read beside it
    is_on_gpu = runs_on_gpu(cascade)

    def report(stage: str, fraction: float) -> None:
        progress(stage, fraction)
        if stage in NETWORK_STAGES and fraction in (0.0, 1.0):
            place.prefetch.begin(job, is_on_gpu)

    return report


def _keep(files: Mapping[str, bytes], job: Job, place: Workplace) -> StoredResult:
    return place.results.keep(job.id, job.fence, files, job.study_instance_uid)


def _identify(stored: StoredResult, results: ResultStore) -> tuple[ReceivedInstance, ...]:
    return tuple(
        identify(results.find_file(stored.folder, name), sha256)
        for name, sha256 in stored.files.items()
        if name.endswith(DICOM_SUFFIX)
    )


def _tell_spared(economy: Economy) -> tuple[Notice, ...]:
    """What the reader of a contour must know that was not made as the model is meant to run."""
    if economy == ECONOMIES[0]:
        return ()
    text = (
        "The worker had not enough memory for the model as it is meant to run: see the report for "
        "how it ran instead, and give the worker more."
    )
    return (Notice("less-memory", text),)


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


def _commit(job: Job, attempt: _Attempt, place: Workplace) -> None:
    series, contouring = attempt.series, attempt.contouring
    report = build_report(series, attempt.cascade, attempt.stamp, contouring)
    stored = _keep(build_files(contouring, report), job, place)
    result = NewResult(
        folder=stored.folder,
        files=stored.files,
        outputs=build_output_records(contouring),
        structures=build_structure_records(contouring),
        # The job has the series' warnings since the upload, with the sender's names of the files.
        warnings=tuple(str(one) for one in contouring.warnings if one not in series.warnings),
        stage_seconds=contouring.stage_seconds,
        held=build_hold(contouring) if place.holds_partial else None,
        instances=_identify(stored, place.results),
    )
    try:
        place.leases.finish(job, result)
    except JobError:
        place.results.drop(stored)
        raise
