"""Oarlock from files to a structure set, with a fixed region and made answers of the network.

    python -m benchmarks.our_chain SERIES THREADS ORGANS ROI [BUNDLE]

With a bundle its segmenter is run on every window, though the organs that come out are known.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.made_anatomy import (
    ROIS_MM,
    Axes,
    MadePredictor,
    ZyxMm,
    find_corner,
    make_anatomy,
)
from benchmarks.turns import Stopwatch, answer
from contouring.anatomy import find_anatomy
from contouring.dicom_series import read_series
from contouring.drafts import draw_draft, release_draft, write_draft
from contouring.fields import predict_fields
from contouring.grid import Grid
from contouring.lattice import BoxMm, build_lattice
from contouring.preview import draw_preview
from contouring.provenance import Origin, Stamp
from contouring.recipe import IntensityRule, PercentileRule, Stage
from contouring.template import Template
from contouring.volume import build_volume
from contouring.windows import plan_windows
from models.bundles import read_bundle
from models.cascades import open_cascade

SPACING_MM = (1.5, 1.5, 1.5)
WINDOW, OVERLAP = (96, 96, 96), 0.5
PERCENTILES = (5.0, 95.0)
ORIGIN = Origin("benchmark", "1.0.0", "0" * 64, "none", "made answers")
STAMP = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "0")


def main() -> None:
    """Serve `benchmarks.turns`."""
    folder, threads, organs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    roi_mm = ROIS_MM[sys.argv[4]]
    network = None
    intensity: IntensityRule | PercentileRule = PercentileRule(PERCENTILES)
    if len(sys.argv) > 5:
        segmenter = open_cascade(read_bundle(Path(sys.argv[5])), threads).segmenter
        network, intensity = segmenter.predictor, segmenter.stage.intensity
    stage = Stage(intensity, WINDOW, OVERLAP, 32, SPACING_MM)
    grid = read_series(folder).grid
    anatomy = make_anatomy(organs, find_corner(grid.axes_mm, roi_mm), roi_mm)
    predictor, box = MadePredictor(anatomy, network), find_box(grid, roi_mm)
    places = _place_windows(grid, box)

    def work(watch: Stopwatch) -> None:
        with watch.stage("find"):
            series = read_series(folder)
        with watch.stage("read"):
            ct = build_volume(series, _silent)
        predictor.expect(places)
        with watch.stage("segment"):
            logits = predict_fields(ct, stage, predictor, box, _silent)
        watch.seconds["segment"] -= predictor.seconds
        with watch.stage("contour"):
            found = find_anatomy(logits, anatomy.structures, ct.grid)
            draft = draw_draft(Template("generic"), found, ct)
        with watch.stage("write"):
            files = write_draft(draft, series, ORIGIN, STAMP, ())
            draw_preview(ct, draft.composition.drawn)
        with watch.stage("check"):
            release_draft(draft, files, series)
        drawn = draft.composition.drawn
        anatomy.check({one.structure.name: one.volume_cm3 for one in drawn})

    answer(work)


def _silent(_: float) -> None:
    """Nobody watches."""


def find_box(grid: Grid, roi_mm: ZyxMm) -> BoxMm:
    """Of that size in the middle of a scan; one of few slices ends before."""
    low = find_corner(grid.axes_mm, roi_mm)
    z, y, x = (
        min(float(axis[-1]), corner + side)
        for axis, corner, side in zip(grid.axes_mm, low, roi_mm, strict=True)
    )
    return BoxMm(low, (z, y, x))


def _place_windows(grid: Grid, box: BoxMm) -> list[Axes]:
    """Where the windows of an axial, supine scan stand, in the order in which they are shown."""
    lattice = build_lattice(grid, SPACING_MM, box, WINDOW)
    z, y, x = lattice.axes_mm
    windows = plan_windows(lattice.shape_zyx, WINDOW, OVERLAP)
    return [(z[w[0]], y[w[1]], x[w[2]]) for w in windows]


if __name__ == "__main__":
    main()
