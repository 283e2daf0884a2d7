"""One case judged: contoured by the whole pipeline, its structure set held against the drawing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from contouring.dicom_series import CTSeries
from contouring.errors import (
    InferenceError,
    NothingFoundError,
    OarlockError,
    ReleaseCheckError,
)
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.rasters import read_masks
from contouring.recipe import Cascade
from models.evaluation.drawn_scans import DrawnScan, ScanSource
from models.evaluation.localizer_coverage import measure_coverage
from models.evaluation.measures import score_structure
from models.evaluation.results import CaseResult, LeftOut

# A fixed time: the same bundle and case make the same structure set.
STAMP = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "evaluation")


@dataclass(frozen=True)
class Names:
    """What people call a structure that the model calls otherwise: {theirs: the model's}."""

    renamed: Mapping[str, str] = field(default_factory=dict)

    def pick(
        self, drawn: Mapping[str, NDArray[np.bool_]], cascade: Cascade
    ) -> dict[str, NDArray[np.bool_]]:
        """What was drawn of the model's structures, by its names; upper and lower case agree."""
        known = {structure.name.casefold(): structure.name for structure in cascade.structures}
        found = {}
        for theirs, mask in drawn.items():
            name = known.get(self.renamed.get(theirs, theirs).casefold())
            if name is not None:
                found[name] = mask
        return found


def judge_scan(source: ScanSource, cascade: Cascade, names: Names) -> CaseResult | LeftOut:
    """Contour and score one case; one that cannot be contoured or judged says why."""
    with TemporaryDirectory() as folder:
        try:
            scan = source.open(Path(folder))
            drawn = names.pick(scan.drawn, cascade)
            if not drawn:
                return LeftOut(source.name, _none_drawn(scan))
            return _judge(source.name, scan, drawn, cascade)
        except OarlockError as error:
            return LeftOut(source.name, str(error))


def _judge(
    name: str, scan: DrawnScan, drawn: Mapping[str, NDArray[np.bool_]], cascade: Cascade
) -> CaseResult:
    started, cpu_started = time.perf_counter(), time.process_time()
    contoured, notes = _contour(scan.series, cascade)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    nothing = np.zeros(scan.series.shape_zyx, bool)
    spacing_zyx_mm = scan.series.grid.spacing_zyx_mm
    return CaseResult(
        name=name,
        scores={
            structure: score_structure(contoured.get(structure, nothing), mask, spacing_zyx_mm)
            for structure, mask in drawn.items()
        },
        seconds=round(seconds, 2),
        cpu_seconds=round(cpu_seconds, 2),
        coverage=measure_coverage(scan.series, cascade, drawn.values()),
        notes=(*scan.notes, *notes),
    )


def _contour(
    series: CTSeries, cascade: Cascade
) -> tuple[dict[str, NDArray[np.bool_]], tuple[str, ...]]:
    """Masks of the written structure set by name; none, and a note, where none was released.

    A case that failed is judged like one where nothing was found: its user got no contours.
    """
    try:
        (output,) = contour_series(series, cascade, STAMP).outputs
    except NothingFoundError:
        return {}, ("The model found none of its structures.",)
    except (InferenceError, ReleaseCheckError) as error:
        return {}, (f"No structure set was released: {error}",)
    return read_masks(output.rtstruct, series), ()


def _none_drawn(scan: DrawnScan) -> str:
    found = ", ".join(sorted(scan.drawn)) or "none"
    return f"no structure of the model was drawn on it (drawn: {found}); see --rename."
