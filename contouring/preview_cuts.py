"""Structures where a plane cuts them, at the resolution of a picture: contours are filled as they
are written, and between slices their cuts are interpolated by distance.

Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE Transactions on
Medical Imaging 9 (1990) 32-42: each slice's distance to its border is interpolated, not its voxels,
so that a line climbs from slice to slice without steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.contours import Contour
from contouring.grid import Grid
from contouring.rasters import FloatArray, Ring, fill_rings

ALONG_AND_ACROSS = np.ones((3, 3), bool)  # parts that touch at a corner are one
ROW_APART = 1e6  # pixels between rows, so that a distance is one within its row


@dataclass(frozen=True)
class Cut:
    """A plane through voxel `index` of CT axis `axis` (0 slices, 1 rows, 2 columns).

    `shown`: the voxels along each CT axis; `shape`: pixels of the picture along the other two axes,
    in their order.
    """

    axis: int
    index: int
    shown: tuple[slice, slice, slice]
    shape: tuple[int, int]

    def scaled(self, indices: FloatArray, axis: int) -> FloatArray:
        """Voxel indices along an axis of the plane as pixels: areas stay, centres move."""
        others = [other for other in range(3) if other != self.axis]
        shown = self.shown[axis]
        scale = self.shape[others.index(axis)] / (shown.stop - shown.start)
        return np.asarray((indices - shown.start + 0.5) * scale - 0.5)


def find_cut(contours: Iterable[Contour], grid: Grid, cut: Cut) -> NDArray[np.bool_]:
    """Bool of the cut's shape: where the plane runs through the structure, by even-odd."""
    if cut.axis == 0:
        rings = [
            (cut.scaled(rows, 1), cut.scaled(columns, 2))
            for contour in contours
            if contour.slice_index == cut.index
            for rows, columns in [_place(contour, grid)]
        ]
        return np.asarray(fill_rings([0] * len(rings), rings, (1, *cut.shape))[0])
    height, width = cut.shape
    along = 3 - cut.axis
    slices, rings = [], []
    for contour in contours:
        place = _place(contour, grid)
        slices.append(contour.slice_index - cut.shown[0].start)
        rings.append((place[cut.axis - 1] - cut.index, cut.scaled(place[along - 1], along)))
    count = cut.shown[0].stop - cut.shown[0].start
    lines = fill_rings(slices, rings, (count, 1, width))[:, 0]
    return _between_slices(lines, height)


def _place(contour: Contour, grid: Grid) -> Ring:
    """Row and column indices of a contour's points, (n,) each."""
    offsets = contour.points_mm - grid.positions_mm[contour.slice_index]
    return (
        offsets @ grid.column_direction / grid.pixel_spacing_mm[0],
        offsets @ grid.row_direction / grid.pixel_spacing_mm[1],
    )


def _between_slices(lines: NDArray[np.bool_], height: int) -> NDArray[np.bool_]:
    """(slices, n) bool to (`height`, n), each slice as high as any other."""
    result = np.zeros((height, lines.shape[1]), bool)
    slice_pixels = height / len(lines)
    place = (np.arange(height) + 0.5) / slice_pixels - 0.5
    parts, _ = ndimage.label(lines, ALONG_AND_ACROSS)
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
        # One line of background all around: above and below, the part ends halfway to it.
        depths = _depths(np.pad(parts[rows, columns] == number, 1))
        own = np.flatnonzero((place > rows.start - 1) & (place < rows.stop))
        steps = place[own] - (rows.start - 1)
        low = steps.astype(int)
        share = (steps - low)[:, None]
        depth = (1 - share) * depths[low] + share * depths[low + 1]
        for end, last, beyond in ((low == 0, 1, 1 - share), (low == len(depths) - 2, -2, share)):
            depth[end] = _cap(depths[last], beyond[end], slice_pixels / 2)
        result[own, columns] |= depth[:, 1:-1] > 0
    return result


def _cap(last: FloatArray, beyond: FloatArray, corner: float) -> FloatArray:
    """(rows, n) depths at (rows, 1) shares of the way beyond a part's last slice, of depths (n,).

    Halfway it ends, flat and with round corners of so many pixels.
    """
    deepest = min(float(last.max()), corner)
    return np.asarray((1 - beyond) * np.minimum(last, deepest) - beyond * deepest)


def _depths(inside: NDArray[np.bool_]) -> FloatArray:
    """Per row, how many pixels each lies within the border, negative outside."""
    apart = (ROW_APART, 1.0)
    within, without = (ndimage.distance_transform_edt(one, apart) for one in (inside, ~inside))
    return np.asarray(np.where(inside, within - 0.5, 0.5 - without))
