"""The true contours of analytic shapes on a scan's slice planes, finer than any pixel.

They come from the closed-form field alone, sampled on a fine grid of the slice plane: no voxel,
no HU and no network takes part.
"""

from __future__ import annotations

from dataclasses import dataclass

import contourpy
import numpy as np
from numpy.typing import NDArray

from contouring.phantom_scan import Scan
from contouring.phantom_shapes import FloatArray, Separate, Shape

# Chords of a curve of 2.5 mm radius then stray from it by less than 0.001 mm.
FINE_STEP_MM = 0.1


@dataclass(frozen=True)
class TrueSlice:
    """A shape's true cut through one slice plane.

    `contours_mm`: closed loops, each (n, 3) patient millimetres, first point not repeated; holes
    are loops of their own. `area_mm2`: area inside, holes taken off.
    """

    contours_mm: tuple[NDArray[np.float64], ...]
    area_mm2: float


def true_slice(
    shape: Shape, scan: Scan, slice_index: int, step_mm: float = FINE_STEP_MM
) -> TrueSlice:
    """The true contours and area of `shape` in one slice plane of `scan`."""
    parts = shape.parts if isinstance(shape, Separate) else (shape,)
    cuts = [_cut(part, scan, slice_index, step_mm) for part in parts]
    return TrueSlice(
        contours_mm=tuple(contour for cut in cuts for contour in cut.contours_mm),
        area_mm2=sum(cut.area_mm2 for cut in cuts),
    )


def true_slices(shape: Shape, scan: Scan, step_mm: float = FINE_STEP_MM) -> list[TrueSlice]:
    """`true_slice` of every slice, in the order of the scan's offsets."""
    return [true_slice(shape, scan, index, step_mm) for index in range(scan.shape_zyx[0])]


def _cut(shape: Shape, scan: Scan, slice_index: int, step_mm: float) -> TrueSlice:
    origin = scan.origin_mm(slice_index)
    offsets = shape.bounds().corners_mm() - origin
    heights = offsets @ scan.normal
    if heights.min() > 0.0 or heights.max() < 0.0:
        return TrueSlice((), 0.0)
    across = _fine_axis(offsets @ scan.row_direction, step_mm)
    down = _fine_axis(offsets @ scan.column_direction, step_mm)
    x, y, z = (
        origin[axis]
        + down[:, np.newaxis] * scan.column_direction[axis]
        + across[np.newaxis, :] * scan.row_direction[axis]
        for axis in range(3)
    )
    lines = contourpy.contour_generator(across, down, shape.field_mm(x, y, z)).lines(0.0)
    loops = [np.asarray(line, dtype=np.float64)[:-1] for line in lines]
    # contourpy keeps the inside on one side of its lines, so holes count against the area.
    area_mm2 = abs(sum(signed_area(loop) for loop in loops))
    contours = (
        origin + loop[:, :1] * scan.row_direction + loop[:, 1:] * scan.column_direction
        for loop in loops
    )
    return TrueSlice(tuple(contours), float(area_mm2))


def signed_area(loop: FloatArray) -> float:
    """Shoelace area of an (n, 2) loop: positive when it runs from the first axis to the second."""
    following = np.roll(loop, -1, axis=0)
    return float(np.sum(loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]) / 2.0)


def _fine_axis(ends_mm: FloatArray, step_mm: float) -> FloatArray:
    # Two steps of margin keep every loop closed.
    low, high = float(ends_mm.min()) - 2.0 * step_mm, float(ends_mm.max()) + 2.0 * step_mm
    return np.linspace(low, high, int(np.ceil((high - low) / step_mm)) + 1)
