"""How far written contours are from the phantom's true ones, measured on the bytes of the file.

This judges the writer: it shares no code with it, and takes geometry from the scan that the
phantom was sampled by, not from what the pipeline read. Lengths are patient millimetres (LPS).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from contouring.errors import StructureSetError
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import FloatArray, Separate, Shape
from contouring.phantom_truth import TrueSlice, true_slices

OFF_PLANE_MM = 1e-3  # as far as coordinates are written
SAMPLE_MM = 0.25  # between the points at which lines are compared
POLE_STEP_MM = 0.25  # loops are counted, not measured
LEAST_POINTS = 3

Edge = tuple[tuple[float, ...], tuple[float, ...]]
DrawnSlices = Mapping[int, Sequence[FloatArray]]
"""The contours of each slice by its index in the scan, each (n, 3) patient mm, first point not
repeated; holes as keyholes or as contours of their own."""


@dataclass(frozen=True)
class Deviation:
    """How far drawn contours are from the true ones.

    Distances are in-plane and taken both ways, along the whole lines. A slice is near a pole when
    the slice before or after it has another number of true loops in any part of the shape: between
    them the border lies in the slice plane somewhere, and an in-plane distance says little.
    `slices_off_poles` were compared and are not near one. Volumes are sums of areas times slice
    heights.
    """

    mean_mm: float
    largest_mm: float
    largest_off_poles_mm: float
    slices_off_poles: int
    true_mm3: float
    drawn_mm3: float
    missed_slices: tuple[int, ...]
    extra_slices: tuple[int, ...]

    @property
    def volume_error(self) -> float:
        """(drawn - true) / true."""
        return self.drawn_mm3 / self.true_mm3 - 1.0


@dataclass(frozen=True, eq=False)
class Truth:
    """The true contours of a shape on the planes of a scan; worked out once for several files."""

    shape: Shape
    scan: Scan

    @cached_property
    def slices(self) -> list[TrueSlice]:
        """The true cut of every slice, in the order of the scan's offsets."""
        return true_slices(self.shape, self.scan)

    @cached_property
    def near_poles(self) -> set[int]:
        """Indices of slices within one slice of a pole, as `Deviation` defines it."""
        near: set[int] = set()
        for part in self.shape.parts if isinstance(self.shape, Separate) else (self.shape,):
            cuts = true_slices(part, self.scan, step_mm=POLE_STEP_MM)
            loops = [0, *(len(cut.contours_mm) for cut in cuts), 0]
            for after, (below, above) in enumerate(itertools.pairwise(loops)):
                if below != above:
                    near |= {after - 1, after}
        return near

    @cached_property
    def volume_mm3(self) -> float:
        """Sum of the true areas times the slice heights."""
        return float(np.dot([cut.area_mm2 for cut in self.slices], slice_heights_mm(self.scan)))

    def deviation(self, drawn: DrawnSlices) -> Deviation:
        """Compare contours with the true ones.

        Raises `StructureSetError` where a contour lies beside the plane of its slice.
        """
        cut = {index for index, true in enumerate(self.slices) if true.contours_mm}
        found = {index for index, loops in drawn.items() if loops}
        distances = {
            index: _distances_mm(self.slices[index], self.scan, index, drawn[index])
            for index in cut & found
        }
        off_poles = [d for index, d in distances.items() if index not in self.near_poles]
        every = np.concatenate(list(distances.values())) if distances else np.array([np.inf])
        heights = slice_heights_mm(self.scan)
        drawn_mm3 = sum(
            drawn_area_mm2(self.scan, index, drawn[index]) * heights[index] for index in found
        )
        return Deviation(
            mean_mm=float(every.mean()),
            largest_mm=float(every.max()),
            largest_off_poles_mm=max((float(d.max()) for d in off_poles), default=0.0),
            slices_off_poles=len(off_poles),
            true_mm3=self.volume_mm3,
            drawn_mm3=float(drawn_mm3),
            missed_slices=tuple(sorted(cut - found)),
            extra_slices=tuple(sorted(found - cut)),
        )


def deviation(shape: Shape, scan: Scan, drawn: DrawnSlices) -> Deviation:
    """Compare contours with the true ones of `shape` once."""
    return Truth(shape, scan).deviation(drawn)


def drawn_contours(
    structure_set: Dataset, files: Sequence[Path]
) -> dict[str, dict[int, list[FloatArray]]]:
    """Contours of an RTSTRUCT by ROI name and slice index, each (n, 3) patient mm.

    `files`: the series' slices as `write_phantom` returned them; a contour belongs to the slice
    that it references. Raises `StructureSetError` for a contour of no slice or no area.
    """
    index_by_uid = {
        str(dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): index
        for index, file in enumerate(files)
    }
    names = {roi.ROINumber: str(roi.ROIName) for roi in structure_set.StructureSetROISequence}
    drawn: dict[str, dict[int, list[FloatArray]]] = {}
    for roi in structure_set.ROIContourSequence:
        name = names[roi.ReferencedROINumber]
        slices = drawn.setdefault(name, {})
        for contour in roi.get("ContourSequence") or []:
            points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
            index = _slice_index(contour, index_by_uid)
            if index is None or len(points) < LEAST_POINTS:
                raise StructureSetError(
                    f"A contour of {name} with {len(points)} points has no area or refers to no "
                    "slice of its series."
                )
            slices.setdefault(index, []).append(points)
    return drawn


def _slice_index(contour: Dataset, index_by_uid: Mapping[str, int]) -> int | None:
    references = contour.get("ContourImageSequence") or []
    return index_by_uid.get(str(references[0].ReferencedSOPInstanceUID)) if references else None


def _distances_mm(
    truth: TrueSlice, scan: Scan, slice_index: int, drawn: Sequence[FloatArray]
) -> FloatArray:
    """Distances of the drawn to the true lines and back."""
    true_lines = shapely.MultiLineString(
        [_closed(in_plane_mm(scan, slice_index, loop)) for loop in truth.contours_mm]
    )
    drawn_lines = shapely.MultiLineString(
        [
            edge
            for loop in drawn
            for edge in edges_without_bridges(in_plane_mm(scan, slice_index, loop))
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

    Raises `StructureSetError` if a point lies off the slice plane by more than `OFF_PLANE_MM`.
    """
    offsets = np.asarray(points_mm, dtype=np.float64) - scan.origin_mm(slice_index)
    height_mm = float(np.abs(offsets @ scan.normal).max())
    if height_mm > OFF_PLANE_MM:
        raise StructureSetError(f"A contour lies {height_mm:.4f} mm off slice {slice_index}.")
    return np.stack([offsets @ scan.row_direction, offsets @ scan.column_direction], axis=1)


def edges_without_bridges(loop: FloatArray) -> list[Edge]:
    """The edges of a loop less those that it runs both ways: a keyhole's bridge is no border."""
    corners = [tuple(corner) for corner in np.round(_closed(loop), 6).tolist()]
    edges = list(itertools.pairwise(corners))
    there = set(edges)
    return [(start, end) for start, end in edges if (end, start) not in there and start != end]


def _closed(loop: FloatArray) -> FloatArray:
    return np.vstack([loop, loop[:1]])


def _points_along(lines: shapely.MultiLineString) -> NDArray[np.object_]:
    corners = shapely.get_coordinates(shapely.segmentize(lines, SAMPLE_MM))
    points: NDArray[np.object_] = shapely.points(corners)
    return points
