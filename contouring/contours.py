"""Contours: the zero line of a structure's field on each of the CT's own slice planes.

Lines are traced between voxel centres (marching squares on a cubic refinement of the field), so
they are as smooth as the field and do not run through pixel centres. Holes are joined to their
outer contour by a keyhole, the only hole encoding that every reader examined understands (DICOM
PS3.3 C.8.8.6.3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import contourpy
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import sparse
from shapely import LinearRing, Polygon

from contouring.grid import Grid
from contouring.keyholes import join_holes
from contouring.lattice import cubic_matrix, interpolation_matrix
from contouring.masks import StructureField
from contouring.structures import Structure

SIMPLIFY_MM = 0.05  # Douglas-Peucker tolerance; the area it loses is restored
LEAST_AREA_MM2 = 0.5  # half a pixel of a planning CT: smaller pieces are specks
REFINEMENT = 3  # places per pixel at which the field is traced
CUT_BORDER = 1e-3  # just outside: a structure at the rim ends on the rim
OuterOffset = tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]


@dataclass(frozen=True, eq=False)
class Contour:
    """One closed planar contour; the first point is not repeated.

    `points_mm`: (n, 3) patient coordinates (LPS), all on the plane of slice `slice_index`.
    """

    slice_index: int
    points_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StructureContours:
    """All contours of a structure, and its volume: areas times the height of their slices."""

    structure: Structure
    contours: tuple[Contour, ...]
    volume_cm3: float


def trace_contours(selected: StructureField, grid: Grid) -> StructureContours:
    """The contours of one structure on every slice that it crosses."""
    contours: list[Contour] = []
    volume_mm3 = 0.0
    for slice_index, polygon in _polygons(selected, grid):
        volume_mm3 += polygon.area * grid.slice_heights_mm[slice_index]
        ring = join_holes(polygon)
        points = grid.to_patient(slice_index, ring[:, 1], ring[:, 0])
        contours.append(Contour(slice_index, points))
    return StructureContours(selected.structure, tuple(contours), float(volume_mm3) / 1000.0)


def _polygons(selected: StructureField, grid: Grid) -> Iterator[tuple[int, Polygon]]:
    """Polygons in (column mm, row mm) of each slice, ascending."""
    lattice = selected.lattice
    along_ct = lattice.to_ct_axes(selected.field)
    slices, rows, columns = (
        _reached(axis, samples) for axis, samples in zip(grid.axes_mm, lattice.axes_mm, strict=True)
    )
    to_slices = interpolation_matrix(lattice.axes_mm[0], grid.axes_mm[0][slices])
    if rows.start == rows.stop or columns.start == columns.stop:
        return  # a box of fine samples between the pixel centres
    rows_mm, columns_mm = _refined(grid.axes_mm[1][rows]), _refined(grid.axes_mm[2][columns])
    refine = _Refinement(lattice.axes_mm[1:], (rows_mm, columns_mm))
    rows_mm, columns_mm = _edged(rows_mm), _edged(columns_mm)
    for offset, weights in enumerate(to_slices):
        used = np.flatnonzero(weights)
        plane = (weights[used, None, None] * along_ct[used]).sum(axis=0)
        if (plane > 0).any():
            for polygon in _traced(_closed(refine.apply(plane)), rows_mm, columns_mm):
                yield slices.start + offset, polygon


class _Refinement:
    """Cubic interpolation of planes, without the borders that overshoot alone would make."""

    def __init__(
        self, sources_mm: Sequence[NDArray[np.float64]], targets_mm: Sequence[NDArray[np.float64]]
    ) -> None:
        self._cubic, self._linear = (
            [sparse.csr_array(weights(*axis)) for axis in zip(sources_mm, targets_mm, strict=True)]
            for weights in (cubic_matrix, interpolation_matrix)
        )

    def apply(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """The plane at all targets; between samples of one sign it keeps that sign."""
        refined = _along_both(self._cubic, plane)
        share_inside = _along_both(self._linear, (plane > 0).astype(np.float32))
        refined = np.where(share_inside == 0, np.minimum(refined, -CUT_BORDER), refined)
        all_inside = share_inside > 1 - 1e-4
        return np.where(all_inside, np.maximum(refined, CUT_BORDER), refined)


def _along_both(
    matrices: Sequence[sparse.csr_array], plane: NDArray[np.float32]
) -> NDArray[np.float32]:
    rows, columns = matrices
    return np.asarray((columns @ (rows @ plane).T).T, np.float32)


def _reached(axis_mm: NDArray[np.float64], samples_mm: NDArray[np.float64]) -> slice:
    """The CT indices between the first and the last sample."""
    first = int(np.searchsorted(axis_mm, samples_mm[0] - 1e-6))
    last = int(np.searchsorted(axis_mm, samples_mm[-1] + 1e-6))
    return slice(first, last)


def _refined(axis_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pixel centres and `REFINEMENT` - 1 places between each two of them."""
    steps = (len(axis_mm) - 1) * REFINEMENT
    return np.linspace(axis_mm[0], axis_mm[-1], steps + 1)


def _edged(axis_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The axis with half a pixel more at either end, where `_closed` adds values."""
    half = REFINEMENT * (axis_mm[1] - axis_mm[0]) / 2 if len(axis_mm) > 1 else 0.5
    return np.concatenate([[axis_mm[0] - half], axis_mm, [axis_mm[-1] + half]])


def _closed(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """With a rim, so that a structure cut by the image's edge ends half a pixel beyond it."""
    return np.pad(plane, 1, constant_values=-CUT_BORDER)


def _traced(
    plane: NDArray[np.float32], rows_mm: NDArray[np.float64], columns_mm: NDArray[np.float64]
) -> Iterator[Polygon]:
    generator = contourpy.contour_generator(
        columns_mm, rows_mm, plane, fill_type=contourpy.FillType.OuterOffset
    )
    outlines = cast(OuterOffset, generator.filled(0.0, np.inf))
    for points, offsets in zip(*outlines, strict=True):
        rings = np.split(points, offsets[1:-1])
        holes = [hole for hole in rings[1:] if Polygon(hole).area >= LEAST_AREA_MM2]
        for polygon in _valid(Polygon(rings[0], holes)):
            if polygon.area >= LEAST_AREA_MM2:
                yield _simplified(polygon)


def _valid(polygon: Polygon) -> list[Polygon]:
    """The polygon, or its parts where a field of exactly zero pinches it to a point."""
    if polygon.is_valid:
        return [polygon]
    mended = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    return [part for part in shapely.get_parts(mended) if isinstance(part, Polygon)]


def _simplified(polygon: Polygon) -> Polygon:
    """Fewer points, the same area: Douglas-Peucker rings, each offset by what its chords cut off.

    A hole is offset for itself, since its chords make it smaller just as they do the outer ring.
    """
    simple = shapely.simplify(polygon, SIMPLIFY_MM)
    if not _alike(simple, polygon):
        return shapely.orient_polygons(polygon)
    rings = [
        _restored(Polygon(ring), Polygon(whole).area)
        for ring, whole in zip(_rings(simple), _rings(polygon), strict=True)
    ]
    restored = Polygon(rings[0], rings[1:])
    return shapely.orient_polygons(restored if restored.is_valid else simple)


def _rings(polygon: Polygon) -> list[LinearRing]:
    return [polygon.exterior, *polygon.interiors]


def _restored(inside: Polygon, area_mm2: float) -> LinearRing:
    """The outline moved along its normal until it holds the area, if it stays one line."""
    shift_mm = (area_mm2 - inside.area) / inside.length
    moved = shapely.buffer(inside, shift_mm, join_style="mitre")
    is_one_line = isinstance(moved, Polygon) and not moved.is_empty and not moved.interiors
    return moved.exterior if is_one_line else inside.exterior


def _alike(candidate: shapely.Geometry, polygon: Polygon) -> bool:
    return (
        isinstance(candidate, Polygon)
        and candidate.is_valid
        and len(candidate.interiors) == len(polygon.interiors)
    )
