"""The straight line from a CT series to a structure set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from contouring.contours import StructureContours, trace_contours
from contouring.dicom_series import CTSeries
from contouring.errors import NothingFoundError
from contouring.fields import Fields, predict_fields
from contouring.grid import Grid
from contouring.masks import select_structures
from contouring.preview import draw_preview
from contouring.recipe import Cascade
from contouring.roi import find_roi
from contouring.rtstruct import Origin, Stamp, write_structure_set
from contouring.volume import CTVolume, build_volume

STAGES = ("read", "localize", "segment", "contour", "write")
CONTOUR_THREADS = 2

Progress = Callable[[str, float], None]
"""Told the stage and the fraction of it that is done; may raise `JobCancelledError` to stop."""


@dataclass(frozen=True)
class StructureReport:
    """What became of one structure of the model; a structure that was not found has no volume."""

    name: str
    found: bool
    volume_cm3: float
    slices: int
    contours: int


@dataclass(frozen=True)
class Contouring:
    """The result of a run: a DICOM file, a PNG, and what to tell people about them."""

    rtstruct: bytes
    preview_png: bytes
    structures: tuple[StructureReport, ...]
    warnings: tuple[str, ...]
    stage_seconds: dict[str, float]


@dataclass
class _Stopwatch:
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        started = time.perf_counter()
        self.progress(name, 0.0)
        yield lambda fraction: self.progress(name, fraction)
        self.progress(name, 1.0)
        self.seconds[name] = time.perf_counter() - started


def contour_series(
    series: CTSeries, cascade: Cascade, stamp: Stamp, progress: Progress = lambda *_: None
) -> Contouring:
    """Contour one series with one model.

    Raises `SeriesRefusedError` for pixels that cannot be read, `InferenceError` if a network fails
    and `NothingFoundError` if it sees nothing.
    """
    watch = _Stopwatch(progress)
    with watch.stage("read") as done:
        ct = build_volume(series, done)
    fields = _predict(ct, cascade, watch)
    with watch.stage("contour"):
        drawn = _trace(fields, cascade, ct.grid)
    if not drawn:
        raise NothingFoundError(cascade.name)
    reports = _reports(cascade, drawn)
    missing = [f"{r.name} was not found in the scan." for r in reports if not r.found]
    warnings = (*series.warnings, *missing)
    with watch.stage("write"):
        origin = Origin(cascade.name, cascade.version, cascade.checksum)
        rtstruct = write_structure_set(series, drawn, origin, stamp, warnings)
        preview = draw_preview(ct, drawn)
    return Contouring(rtstruct, preview, reports, warnings, watch.seconds)


def _predict(ct: CTVolume, cascade: Cascade, watch: _Stopwatch) -> Fields:
    box = None
    if cascade.localizer is not None:
        with watch.stage("localize") as done:
            box = find_roi(ct, cascade.localizer, done)
        if box is None:
            raise NothingFoundError(cascade.name)
    with watch.stage("segment") as done:
        segmenter = cascade.segmenter
        return predict_fields(ct, segmenter.stage, segmenter.predictor, box, done)


def _trace(fields: Fields, cascade: Cascade, grid: Grid) -> tuple[StructureContours, ...]:
    selected = select_structures(fields, cascade.structures)
    with ThreadPoolExecutor(CONTOUR_THREADS) as pool:
        drawn = tuple(pool.map(lambda one: trace_contours(one, grid), selected))
    return tuple(contours for contours in drawn if contours.contours)


def _reports(cascade: Cascade, drawn: tuple[StructureContours, ...]) -> tuple[StructureReport, ...]:
    by_label = {contours.structure.label: contours for contours in drawn}
    reports = []
    for structure in cascade.structures:
        contours = by_label.get(structure.label)
        if contours is None:
            reports.append(StructureReport(structure.name, False, 0.0, 0, 0))
            continue
        slices = len({contour.slice_index for contour in contours.contours})
        count = len(contours.contours)
        reports.append(StructureReport(structure.name, True, contours.volume_cm3, slices, count))
    return tuple(reports)
