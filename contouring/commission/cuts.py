"""Planes through a scan along its own axes, as pictures show them: places in mm, and letters.

Coordinates along the CT axes (slices, rows, columns) are mm from the first voxel of the first
slice. On a cut they are (across, down), pairs of two of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import contourpy
import numpy as np
from numpy.typing import NDArray

from contouring.phantom import Phantom
from contouring.phantom_deviation import DrawnSlices, edges_without_bridges
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import Box, FloatArray, Separate, Shape

SURROUNDINGS_MM = 14.0  # shown around the structures
TRUE_STEP_MM = 0.25
AXIAL_CUTS = 4
WELL_INSIDE = 0.85  # of a part's half extent from its middle: beyond, a cut shows little of it
PLANES = ("Sagittal", "Coronal", "Axial")  # by the patient's axis that is nearest to the normal
LETTERS = (("R", "L"), ("A", "P"), ("F", "H"))  # towards low and high x, y and z (LPS)


@dataclass(frozen=True)
class Letters:
    """What lies at the edges of a picture."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True, eq=False)
class Cut:
    """The plane of voxel `index` along `ct_axis` (0 slices, 1 rows, 2 columns) of a scan.

    `low_mm`, `high_mm`: the part shown, (3,) along the CT axes.
    """

    scan: Scan
    ct_axis: int
    index: int
    low_mm: FloatArray
    high_mm: FloatArray

    @property
    def axes(self) -> tuple[int, int]:
        """The CT axes that run across and down: slices always down."""
        return {0: (2, 1), 1: (2, 0), 2: (1, 0)}[self.ct_axis]

    @cached_property
    def height_mm(self) -> float:
        """Where the plane lies along `ct_axis`."""
        return float(axes_mm(self.scan)[self.ct_axis][self.index])

    @property
    def is_upside_down(self) -> bool:
        """Whether the stack is turned round, so that the head is up."""
        return self.ct_axis != 0 and bool(self.scan.normal[2] > 0.0)

    @property
    def title(self) -> str:
        """As "Axial, z = -6.3 mm"."""
        normal = directions(self.scan)[self.ct_axis]
        nearest = int(np.abs(normal).argmax())
        middle = (self.low_mm + self.high_mm) / 2.0
        middle[self.ct_axis] = self.height_mm
        place = to_patient(self.scan, middle)
        return f"{PLANES[nearest]}, {'xyz'[nearest]} = {place[nearest]:.1f} mm"

    @property
    def letters(self) -> Letters:
        """The patient's sides at the picture's edges."""
        across, down = (directions(self.scan)[axis] for axis in self.axes)
        down = -down if self.is_upside_down else down
        return Letters(letter(-across), letter(across), letter(-down), letter(down))

    def on_picture(self, points_mm: FloatArray) -> FloatArray:
        """(n, 2) mm to the right of and below the picture's corner, of (across, down) points."""
        across, down = self.axes
        right = points_mm[:, 0] - self.low_mm[across]
        below = points_mm[:, 1] - self.low_mm[down]
        if self.is_upside_down:
            below = self.high_mm[down] - points_mm[:, 1]
        return np.stack([right, below], axis=1)

    def nearest_voxels(self, pixels_per_mm: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Per line and per column of a picture, the voxel nearest to its middle.

        In the order of the scan's array without `ct_axis`, which is down and then across.
        """
        lines, columns = (self._nearest(axis, pixels_per_mm) for axis in reversed(self.axes))
        return (lines[::-1] if self.is_upside_down else lines), columns

    def _nearest(self, axis: int, pixels_per_mm: float) -> NDArray[np.intp]:
        length_mm = self.high_mm[axis] - self.low_mm[axis]
        pixels = np.arange(round(length_mm * pixels_per_mm)) + 0.5
        places = self.low_mm[axis] + pixels / pixels_per_mm
        voxels = axes_mm(self.scan)[axis]
        return np.asarray(np.searchsorted((voxels[1:] + voxels[:-1]) / 2.0, places))

    def true_lines(self, shape: Shape) -> list[FloatArray]:
        """The border of a solid on the plane, (n, 2) each; none where it lies elsewhere."""
        low, high = along_axes(self.scan, shape.bounds())
        if not low[self.ct_axis] < self.height_mm < high[self.ct_axis]:
            return []
        across, down = (
            np.arange(low[axis] - 1.0, high[axis] + 1.0, TRUE_STEP_MM) for axis in self.axes
        )
        points = np.empty((len(down), len(across), 3))
        points[..., self.ct_axis] = self.height_mm
        points[..., self.axes[0]] = across[np.newaxis, :]
        points[..., self.axes[1]] = down[:, np.newaxis]
        x, y, z = np.moveaxis(to_patient(self.scan, points), -1, 0)
        generator = contourpy.contour_generator(across, down, shape.field_mm(x, y, z))
        return [np.asarray(line, np.float64) for line in generator.lines(0.0)]

    def drawn_lines(self, slices: DrawnSlices) -> list[FloatArray]:
        """The edges of the contours on this slice, (2, 2) each; none on other planes."""
        if self.ct_axis != 0:
            return []
        loops = (self._in_plane(self.index, loop) for loop in slices.get(self.index, ()))
        return [np.array(edge) for loop in loops for edge in edges_without_bridges(loop)]

    def drawn_points(self, slices: DrawnSlices) -> FloatArray:
        """(n, 2): where contours of other slices meet this plane; none on a slice's own plane."""
        met: list[tuple[float, float]] = []
        if self.ct_axis == 0:
            return np.empty((0, 2))
        for index, loops in slices.items():
            place = float(axes_mm(self.scan)[0][index])
            for loop in loops:
                for edge in edges_without_bridges(self._in_plane(index, loop)):
                    # (across the columns, down the rows); this plane lies at one of them.
                    fixed, free = (1, 0) if self.ct_axis == 1 else (0, 1)
                    (start, end) = (np.array(edge[0]), np.array(edge[1]))
                    if (start[fixed] < self.height_mm) != (end[fixed] < self.height_mm):
                        share = (self.height_mm - start[fixed]) / (end[fixed] - start[fixed])
                        met.append((start[free] + share * (end[free] - start[free]), place))
        return np.array(met).reshape(-1, 2)

    def _in_plane(self, slice_index: int, loop: FloatArray) -> FloatArray:
        offsets = loop - self.scan.origin_mm(slice_index)
        across, down = offsets @ self.scan.row_direction, offsets @ self.scan.column_direction
        return np.stack([across, down], axis=1)


def choose_cuts(phantom: Phantom, scan: Scan) -> tuple[Cut, ...]:
    """The fewest slices that show every structure, and the best row and column."""
    low, high = shown(phantom, scan)
    return tuple(
        Cut(scan, ct_axis, index, low, high)
        for ct_axis, count in ((0, AXIAL_CUTS), (1, 1), (2, 1))
        for index in sorted(_best_indices(phantom, scan, ct_axis, count))
    )


def shown(phantom: Phantom, scan: Scan) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest place along the CT axes, around all structures, within the scan."""
    boxes = [along_axes(scan, structure.shape.bounds()) for structure in phantom.structures]
    low = np.min([box[0] for box in boxes], axis=0) - SURROUNDINGS_MM
    high = np.max([box[1] for box in boxes], axis=0) + SURROUNDINGS_MM
    last = np.array([axis[-1] for axis in axes_mm(scan)])
    return np.maximum(low, 0.0), np.minimum(high, last)


def _best_indices(phantom: Phantom, scan: Scan, ct_axis: int, count: int) -> list[int]:
    """At most `count` planes, each chosen for the structures that those before it do not show."""
    places = axes_mm(scan)[ct_axis]
    centred = np.stack(
        [_centredness(structure.shape, scan, ct_axis, places) for structure in phantom.structures]
    )
    chosen: list[int] = []
    while len(chosen) < count and (centred > 0.0).any():
        best = int((np.ceil(centred) * 10.0 + centred).sum(axis=0).argmax())
        chosen.append(best)
        centred = centred[centred[:, best] == 0.0]
        if not len(centred):
            break
    return chosen


def _centredness(shape: Shape, scan: Scan, ct_axis: int, places: FloatArray) -> FloatArray:
    """Per plane, from 1 in the middle of a part to 0 outside or near its ends."""
    found = np.zeros(len(places))
    for part in shape.parts if isinstance(shape, Separate) else (shape,):
        low, high = (side[ct_axis] for side in along_axes(scan, part.bounds()))
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        found = np.maximum(found, 1.0 - np.abs(places - middle) / (WELL_INSIDE * half))
    return found


def axes_mm(scan: Scan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Places of slices, rows and columns."""
    slices = np.array(scan.slice_offsets_mm) - scan.slice_offsets_mm[0]
    rows = np.arange(scan.rows, dtype=np.float64) * scan.row_spacing_mm
    columns = np.arange(scan.columns, dtype=np.float64) * scan.column_spacing_mm
    return slices, rows, columns


def directions(scan: Scan) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors along which slices, rows and columns are counted."""
    return scan.normal, scan.column_direction, scan.row_direction


def to_patient(scan: Scan, places_mm: FloatArray) -> FloatArray:
    """(..., 3) patient points of (..., 3) places along the CT axes."""
    return np.asarray(scan.origin_mm(0) + places_mm @ np.stack(directions(scan)))


def along_axes(scan: Scan, box: Box) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest place of a patient's box along the CT axes, (3,) each."""
    places = (box.corners_mm() - scan.origin_mm(0)) @ np.stack(directions(scan)).T
    return places.min(axis=0), places.max(axis=0)


def letter(direction: FloatArray) -> str:
    """The patient's side towards which a direction runs most."""
    axis = int(np.abs(direction).argmax())
    return LETTERS[axis][int(direction[axis] > 0.0)]
