"""Contours of analytic solids beside rt-utils', both held against the true lines.

    python -m benchmarks.geometry [--runs N]

One CT series of the phantom serves both. Oarlock contours it with the `commissioning` model;
rt-utils is given the true mask of every solid, each pixel whose centre lies inside, which no
network could better. Seconds are medians of runs in turn, after one that warms up.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO, StringIO
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rt_utils import RTStructBuilder

from benchmarks.line_distances import LineDistances, measure_distances
from contouring.anatomy import find_anatomy
from contouring.dicom_series import CTSeries, read_series
from contouring.drafts import draw_draft, write_draft
from contouring.fields import Fields, predict_fields
from contouring.phantom import HEAD_AND_NECK, PhantomStructure
from contouring.phantom_deviation import Truth, drawn_contours
from contouring.phantom_scan import Scan
from contouring.phantom_series import write_phantom
from contouring.provenance import Origin, Stamp
from contouring.recipe import Cascade
from contouring.roi import find_region
from contouring.volume import CTVolume, build_volume
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.templates import GENERIC

SCAN = Scan()  # 512 x 512 x 100, 0.9766 x 0.9766 x 2.5 mm
LARGE = ("Sphere30", "HollowTube", "Ellipsoid", "Glands")
THIN = ("Cord", "Shell", "Torus", "Tube10")
# Measured with rt-utils 1.3.1 (`contour_mode="voxel_edge"`, not on PyPI) on another twelve solids
# of the same kind at the same spacing.
QUOTED = {
    "mean distance, mm": "0.212",
    "bias, outwards, mm": "+0.018",
    "largest distance, mm": "0.69",
}


@dataclass(frozen=True)
class Writing:
    """One structure set, and what it took from masks or fields to bytes."""

    rtstruct: bytes
    seconds: float


@dataclass(frozen=True)
class Quality:
    """A structure set against the truth, by structure."""

    volume_error: dict[str, float]
    distances: dict[str, LineDistances]
    missed_slices: int
    points: int
    degenerate: int


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="Compare contours with rt-utils' and the truth.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each, after one to warm up")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        files = write_phantom(Path(folder), scan=SCAN)
        series = read_series(Path(folder))
        cascade = open_cascade(read_bundle(RELEASED / "commissioning"))
        ct, fields = predict(series, cascade)
        masks = {structure.name: true_mask(structure) for structure in HEAD_AND_NECK.structures}
        ours: list[Writing] = []
        theirs: list[Writing] = []
        for _ in range(options.runs + 1):
            ours.append(write_ours(series, ct, fields, cascade))
            theirs.append(write_with_rt_utils(Path(folder), masks))
        qualities = [judge(runs[-1].rtstruct, files) for runs in (ours, theirs)]
    report((ours, theirs), qualities)


def true_mask(structure: PhantomStructure) -> NDArray[np.bool_]:
    """(rows, columns, slices): the pixels whose centre lies inside, by the closed form."""
    rows, columns = np.mgrid[: SCAN.rows, : SCAN.columns]
    in_plane = (
        rows[..., None] * SCAN.row_spacing_mm * SCAN.column_direction
        + columns[..., None] * SCAN.column_spacing_mm * SCAN.row_direction
    )
    mask = np.zeros((SCAN.rows, SCAN.columns, len(SCAN.slice_offsets_mm)), bool)
    for index in range(mask.shape[2]):
        x, y, z = np.moveaxis(SCAN.origin_mm(index) + in_plane, -1, 0)
        mask[:, :, index] = structure.shape.field_mm(x, y, z) > 0.0
    return mask


def predict(series: CTSeries, cascade: Cascade) -> tuple[CTVolume, Fields]:
    """What contouring begins with."""
    ct = build_volume(series, lambda _: None)
    stage, predictor = cascade.segmenter.stage, cascade.segmenter.predictor
    found = find_region(ct, cascade.localizer, lambda _: None) if cascade.localizer else None
    box = None if found is None else found.box
    return ct, predict_fields(ct, stage, predictor, box, lambda _: None)


def write_ours(series: CTSeries, ct: CTVolume, fields: Fields, cascade: Cascade) -> Writing:
    """Fields to bytes; reading the CT, the network and the release check are not counted."""
    origin = Origin(cascade.name, cascade.version, cascade.checksum)
    stamp = Stamp(datetime(2026, 1, 1, tzinfo=UTC), version("oarlock"))
    started = time.perf_counter()
    draft = draw_draft(GENERIC, find_anatomy(fields, cascade.structures, ct.grid), ct)
    written = write_draft(draft, series, origin, stamp, ())
    return Writing(written.rtstruct, time.perf_counter() - started)


def write_with_rt_utils(folder: Path, masks: dict[str, NDArray[np.bool_]]) -> Writing:
    """Masks to bytes; loading the CT is not counted."""
    structure_set = RTStructBuilder.create_new(dicom_series_path=str(folder))
    heights = [float(slice_.ImagePositionPatient[2]) for slice_ in structure_set.series_data]
    if heights != sorted(heights):
        raise RuntimeError("rt-utils has the slices in another order than the masks")
    file = folder.parent / f"{folder.name}.dcm"
    started = time.perf_counter()
    for name, mask in masks.items():
        structure_set.add_roi(mask=mask, name=name)
    with redirect_stdout(StringIO()):  # it tells of its file
        structure_set.save(str(file))
    seconds = time.perf_counter() - started
    try:
        return Writing(file.read_bytes(), seconds)
    finally:
        file.unlink()


def judge(rtstruct: bytes, files: Sequence[Path]) -> Quality:
    """Hold every structure against its true contours."""
    dataset = pydicom.dcmread(BytesIO(rtstruct))
    points, degenerate = 0, 0
    for roi in dataset.ROIContourSequence:
        contours = list(roi.ContourSequence)
        points += sum(int(contour.NumberOfContourPoints) for contour in contours)
        # Neither a line nor an area can be made of them.
        whole = [contour for contour in contours if int(contour.NumberOfContourPoints) >= 3]
        degenerate += len(contours) - len(whole)
        roi.ContourSequence = pydicom.Sequence(whole)
    drawn = drawn_contours(dataset, files)
    volume_error, distances, missed = {}, {}, 0
    for structure in HEAD_AND_NECK.structures:
        truth = Truth(structure.shape, SCAN)
        off = truth.deviation(drawn[structure.name])
        volume_error[structure.name] = off.volume_error
        distances[structure.name] = measure_distances(truth, drawn[structure.name])
        missed += len(off.missed_slices)
    return Quality(volume_error, distances, missed, points, degenerate)


def report(runs: Sequence[list[Writing]], qualities: Sequence[Quality]) -> None:
    """Print two Markdown tables: over all solids, as the README shows it, and each solid's."""
    rows = [_summary(*pair) for pair in zip(runs, qualities, strict=True)]
    ways = ("Oarlock", f"rt-utils {version('rt-utils')}")
    console = Console(width=110)
    console.print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} threads")
    table = Table("", *ways, "rt-utils 1.3.1, voxel edge *", box=box.MARKDOWN)
    for measure in rows[0]:
        table.add_row(measure, *(row[measure] for row in rows), QUOTED.get(measure, ""))
    console.print(table)
    console.print("\\* Quoted from our measurement on twelve other solids; not measured here.")
    table = Table("volume error, %", *ways, box=box.MARKDOWN)
    for name in qualities[0].volume_error:
        errors = (f"{100 * quality.volume_error[name]:+.2f}" for quality in qualities)
        table.add_row(name, *errors)
    console.print(table)


def _summary(runs: list[Writing], quality: Quality) -> dict[str, str]:
    seconds = median(run.seconds for run in runs[1:])
    every = list(quality.distances.values())
    return {
        "contours and file, s": f"{seconds:.2f}",
        "points": f"{quality.points:,}",
        "file, MB": f"{len(runs[-1].rtstruct) / 1e6:.2f}",
        "volume error, large, %": _percent(quality, LARGE),
        "volume error, thin, %": _percent(quality, THIN),
        "volume error, 8 mm ball, %": _percent(quality, ("Sphere8",)),
        "volume error, 5 mm ball, %": _percent(quality, ("Nodule5",)),
        "mean distance, mm": f"{mean(found.mean_mm for found in every):.3f}",
        "bias, outwards, mm": f"{mean(found.bias_mm for found in every):+.3f}",
        "95th percentile, mm": f"{mean(found.p95_mm for found in every):.3f}",
        "largest distance, mm": f"{max(found.largest_mm for found in every):.2f}",
        "slices missed": f"{quality.missed_slices}",
        "contours of 1 or 2 points": f"{quality.degenerate}",
    }


def _percent(quality: Quality, names: Sequence[str]) -> str:
    """The median of the signed errors."""
    return f"{100 * median(quality.volume_error[name] for name in names):+.2f}"


if __name__ == "__main__":
    main()
