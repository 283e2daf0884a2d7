"""Small phantoms, and the measure of contours against the truth that is known of them.

Lengths are patient millimetres (LPS). The large phantom is `contouring.phantom.HEAD_AND_NECK`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from contouring.phantom import HEAD_AND_NECK, Body, Phantom
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader, write_phantom
from contouring.phantom_shapes import Separate, Shape, Sphere
from contouring.phantom_truth import TrueSlice, true_slice, true_slices

FloatArray = NDArray[np.float64]

# 64 x 64 mm by 50 mm. The ball lies off the planes and off the middle.
SMALL_SCAN = Scan(
    rows=64,
    columns=64,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(20, 2.5),
)
SMALL_BALL = Sphere((3.3, -2.1, 0.7), 12.0)


def one_structure_phantom(shape: Shape = SMALL_BALL, name: str = "Sphere30") -> Phantom:
    """A phantom of one solid, encoded so that `commissioning` finds it as the structure `name`."""
    structure = replace(HEAD_AND_NECK.structure(name), shape=shape)
    return Phantom(body=Body(((0.0, 29.0, 27.0),)), structures=(structure,))


def write_small_series(
    folder: Path,
    scan: Scan = SMALL_SCAN,
    shape: Shape = SMALL_BALL,
    header: SeriesHeader | None = None,
) -> list[Path]:
    """CT slices of a phantom of one solid, in ascending order along the slice normal."""
    return write_phantom(folder, phantom=one_structure_phantom(shape), scan=scan, header=header)


@dataclass(frozen=True)
class Deviation:
    """How far drawn contours are from the true ones.

    Distances are in-plane and taken both ways, along the whole lines. A slice is near a pole when
    the slice before or after it has another number of true loops in any part of the shape: between
    them the border lies in the slice plane somewhere, and an in-plane distance says little.
    `volume_error` is (drawn - true) / true, both as sums of areas times slice heights.
    """

    mean_mm: float
    largest_mm: float
    largest_off_poles_mm: float
    volume_error: float
    missed_slices: tuple[int, ...]
    extra_slices: tuple[int, ...]


def deviation(shape: Shape, scan: Scan, drawn: Mapping[int, Sequence[FloatArray]]) -> Deviation:
    """Compare contours with the true ones of `shape`.

    `drawn`: the contours of each slice by its index in `scan`, each (n, 3) patient mm, first point
    not repeated; holes as keyholes or as contours of their own.
    """
    count = scan.shape_zyx[0]
    truth = [true_slice(shape, scan, index) for index in range(count)]
    cut = {index for index in range(count) if truth[index].contours_mm}
    found = {index for index in range(count) if drawn.get(index)}
    distances = {
        index: distances_mm(truth[index], scan, index, drawn[index]) for index in cut & found
    }
    near_poles = slices_near_poles(shape, scan)
    off_poles = [d for index, d in distances.items() if index not in near_poles]
    every = np.concatenate(list(distances.values())) if distances else np.array([np.inf])
    heights = slice_heights_mm(scan)
    true_mm3 = sum(truth[index].area_mm2 * heights[index] for index in cut)
    drawn_mm3 = sum(drawn_area_mm2(scan, index, drawn[index]) * heights[index] for index in found)
    return Deviation(
        mean_mm=float(every.mean()),
        largest_mm=float(every.max()),
        largest_off_poles_mm=max((float(d.max()) for d in off_poles), default=0.0),
        volume_error=float(drawn_mm3 / true_mm3 - 1.0),
        missed_slices=tuple(sorted(cut - found)),
        extra_slices=tuple(sorted(found - cut)),
    )


def slices_near_poles(shape: Shape, scan: Scan) -> set[int]:
    """Indices of slices within one slice of a pole, as `Deviation` defines it."""
    near: set[int] = set()
    for part in shape.parts if isinstance(shape, Separate) else (shape,):
        cuts = true_slices(part, scan, step_mm=0.25)
        loops = [0, *(len(cut.contours_mm) for cut in cuts), 0]
        for after, (below, above) in enumerate(itertools.pairwise(loops)):
            if below != above:
                near |= {after - 1, after}
    return near


def drawn_contours(
    structure_set: Dataset, files: Sequence[Path]
) -> dict[str, dict[int, list[FloatArray]]]:
    """Contours of an RTSTRUCT by ROI name and slice index, each (n, 3) patient mm.

    `files`: the series' slices as `write_phantom` returned them; a contour belongs to the slice
    that it references.
    """
    index_by_uid = {
        dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID: index
        for index, file in enumerate(files)
    }
    names = {roi.ROINumber: str(roi.ROIName) for roi in structure_set.StructureSetROISequence}
    drawn: dict[str, dict[int, list[FloatArray]]] = {}
    for roi in structure_set.ROIContourSequence:
        slices = drawn.setdefault(names[roi.ReferencedROINumber], {})
        for contour in roi.get("ContourSequence", []):
            uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
            points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
            slices.setdefault(index_by_uid[uid], []).append(points)
    return drawn


def distances_mm(
    truth: TrueSlice, scan: Scan, slice_index: int, drawn: Sequence[FloatArray]
) -> FloatArray:
    """Distances of the drawn to the true lines and back, at points 0.25 mm apart."""
    true_lines = shapely.MultiLineString(
        [_closed(in_plane_mm(scan, slice_index, loop)) for loop in truth.contours_mm]
    )
    drawn_lines = shapely.MultiLineString(
        [
            segment
            for loop in drawn
            for segment in _without_bridges(in_plane_mm(scan, slice_index, loop))
        ]
    )
    there = shapely.distance(_points_along(drawn_lines), true_lines)
    back = shapely.distance(_points_along(true_lines), drawn_lines)
    return np.concatenate([there, back])


def drawn_area_mm2(scan: Scan, slice_index: int, drawn: Sequence[FloatArray]) -> float:
    """Area inside the contours of one slice by the even-odd rule."""
    loops = [shapely.Polygon(in_plane_mm(scan, slice_index, loop)) for loop in drawn]
    area = 0.0
    for loop in loops:
        first = shapely.Point(loop.exterior.coords[0])
        depth = sum(other.contains(first) for other in loops if other is not loop)
        area += loop.area if depth % 2 == 0 else -loop.area
    return area


def true_volume_mm3(shape: Shape, scan: Scan) -> float:
    """Sum of the true areas times the slice heights."""
    areas = [true_slice(shape, scan, index).area_mm2 for index in range(scan.shape_zyx[0])]
    return float(np.dot(areas, slice_heights_mm(scan)))


def slice_heights_mm(scan: Scan) -> FloatArray:
    """How much of the normal each slice stands for: half way to either neighbour, (slices,)."""
    offsets = np.array(scan.slice_offsets_mm)
    gaps = np.diff(offsets) if len(offsets) > 1 else np.array([1.0])
    if len(offsets) == 1:
        return gaps
    heights: FloatArray = (np.append(gaps[:1], gaps) + np.append(gaps, gaps[-1:])) / 2.0
    return heights


def in_plane_mm(scan: Scan, slice_index: int, points_mm: FloatArray) -> FloatArray:
    """(n, 2) distances along row and column direction from the slice's first pixel.

    Fails if a point lies off the slice plane by more than 0.001 mm.
    """
    offsets = np.asarray(points_mm, dtype=np.float64) - scan.origin_mm(slice_index)
    height_mm = float(np.abs(offsets @ scan.normal).max())
    assert height_mm <= 1e-3, f"a contour lies {height_mm:.4f} mm off slice {slice_index}"
    return np.stack([offsets @ scan.row_direction, offsets @ scan.column_direction], axis=1)


def _closed(loop: FloatArray) -> FloatArray:
    return np.vstack([loop, loop[:1]])


def _without_bridges(loop: FloatArray) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    """The edges of a loop less those that it runs both ways: a keyhole's bridge is no border."""
    corners = [tuple(corner) for corner in np.round(_closed(loop), 6).tolist()]
    edges = list(itertools.pairwise(corners))
    there = set(edges)
    return [(start, end) for start, end in edges if (end, start) not in there and start != end]


def _points_along(lines: shapely.MultiLineString) -> NDArray[np.object_]:
    corners = shapely.get_coordinates(shapely.segmentize(lines, 0.25))
    points: NDArray[np.object_] = shapely.points(corners)
    return points
