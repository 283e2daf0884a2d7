"""Contours and structure set of a hundred organs on sixty slices each, beside rt-utils.

Ours from the network's fields, theirs from masks on the CT's grid, as each is used. The release
check, which rt-utils has not, is not part of it.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from rt_utils import RTStructBuilder

from benchmarks.figures import Aim, Row
from benchmarks.made_anatomy import MadeAnatomy, MadePredictor
from benchmarks.our_chain import ORIGIN, STAMP
from contouring.anatomy import find_anatomy
from contouring.dicom_series import read_series
from contouring.drafts import draw_draft, write_draft
from contouring.fields import predict_fields
from contouring.lattice import BoxMm, build_lattice
from contouring.recipe import IntensityRule, Stage
from contouring.template import Template
from contouring.volume import build_volume

ORGANS_ALONG, SLICES = 10, 60
PITCH_MM = 34.0
LATTICE_MM = (2.5, 1.5, 1.5)
AIM = Aim("at most", 0.2)


def measure_structure_sets(
    series_folder: Path, runs: int, tell: Callable[[str], None]
) -> list[Row]:
    """The row, medians of warm runs in turn; the series is to have slices 2.5 mm apart."""
    series = read_series(series_folder)
    ct = build_volume(series, lambda _: None)
    anatomy = _make_anatomy([axis[-1] / 2 for axis in series.grid.axes_mm])
    reach = anatomy.semi_axes_mm.max(axis=0) + 10
    box = BoxMm(
        tuple(anatomy.centres_mm.min(axis=0) - reach), tuple(anatomy.centres_mm.max(axis=0) + reach)
    )
    lattice = build_lattice(series.grid, LATTICE_MM, box)
    stage = Stage(IntensityRule((-1000.0, 1000.0)), lattice.shape_zyx, 0.0, 1, LATTICE_MM)
    predictor = MadePredictor(anatomy)
    predictor.expect([lattice.axes_mm])
    logits = predict_fields(ct, stage, predictor, box, lambda _: None)
    labels = anatomy.label(series.grid.axes_mm).transpose(1, 2, 0)  # rows, columns, slices

    def ours() -> None:
        found = find_anatomy(logits, anatomy.structures, ct.grid)
        draft = draw_draft(Template("generic"), found, ct)
        write_draft(draft, series, ORIGIN, STAMP, ())
        drawn = draft.composition.drawn
        anatomy.check({one.structure.name: one.volume_cm3 for one in drawn})

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            structure_set = RTStructBuilder.create_new(dicom_series_path=str(series_folder))
            for structure in anatomy.structures:
                mask = np.ascontiguousarray(labels == structure.label)
                structure_set.add_roi(mask=mask, name=structure.name)
            structure_set.ds.save_as(io.BytesIO())

    seconds: dict[str, list[float]] = {"Oarlock": [], "rt-utils": []}
    for number in range(runs + 1):
        for name, work in (("Oarlock", ours), ("rt-utils", theirs)):
            tell(f"100 structures by {name}, run {number} of {runs}")
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return [
        Row(
            group="Contours and RTSTRUCT",
            what=f"{ORGANS_ALONG**2} structures x {SLICES} slices, 512 x 512",
            unit="s",
            ours=median(seconds["Oarlock"][1:]),
            peer="rt-utils",
            theirs=median(seconds["rt-utils"][1:]),
            aim=AIM,
        )
    ]


def _make_anatomy(middle_zyx_mm: list[float]) -> MadeAnatomy:
    """Upright ellipsoids, side by side."""
    steps = (np.arange(ORGANS_ALONG) - (ORGANS_ALONG - 1) / 2) * PITCH_MM
    rows, columns = np.meshgrid(steps, steps, indexing="ij")
    offsets = np.stack([np.zeros(rows.size), rows.ravel(), columns.ravel()], axis=1)
    semi = np.array([LATTICE_MM[0] * SLICES / 2, 0.45 * PITCH_MM, 0.4 * PITCH_MM])
    return MadeAnatomy(np.array(middle_zyx_mm) + offsets, np.tile(semi, (len(offsets), 1)))
