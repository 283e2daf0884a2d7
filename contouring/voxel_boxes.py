"""Boxes of the CT's own voxels, on which derived structures have their fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.distances import Axes
from contouring.field_samples import sample_planes
from contouring.grid import Grid
from contouring.lattice import Lattice, canonical_order
from contouring.margins import BOX_MARGIN
from contouring.masks import StructureField
from contouring.structures import Structure


@dataclass(frozen=True)
class VoxelBox:
    """`low` and `high`: first and one past the last (slice, row, column)."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]

    def axes_mm(self, grid: Grid) -> Axes:
        """Places of its voxels along the CT's axes, as in `Grid.axes_mm`."""
        slices, rows, columns = (
            axis[low:high]
            for axis, low, high in zip(grid.axes_mm, self.low, self.high, strict=True)
        )
        return slices, rows, columns

    def joined(self, other: VoxelBox) -> VoxelBox:
        """The smallest box around both."""
        z, y, x = (min(pair) for pair in zip(self.low, other.low, strict=True))
        z_end, y_end, x_end = (max(pair) for pair in zip(self.high, other.high, strict=True))
        return VoxelBox((z, y, x), (z_end, y_end, x_end))

    def field_of(
        self, structure: Structure, values: NDArray[np.float32], grid: Grid
    ) -> StructureField:
        """A structure whose field has `values` (slices, rows, columns) on the box's voxels."""
        lattice = Lattice(self.axes_mm(grid), *canonical_order(grid))
        return StructureField(structure, lattice.to_canonical(values), lattice)


def box_around(selected: StructureField, grid: Grid, margin_mm: float) -> VoxelBox:
    """The voxels of a structure's own box and of a margin about it, as far as the scan goes."""
    low, high = [], []
    for axis, samples in zip(grid.axes_mm, selected.lattice.axes_mm, strict=True):
        first = int(np.searchsorted(axis, samples[0] - margin_mm)) - BOX_MARGIN
        last = int(np.searchsorted(axis, samples[-1] + margin_mm)) + BOX_MARGIN
        low.append(max(first, 0))
        high.append(min(last, len(axis)))
    return VoxelBox((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def field_in_box(selected: StructureField, grid: Grid, box: VoxelBox) -> NDArray[np.float32]:
    """(slices, rows, columns) a structure's field on the voxels of a box; beyond its samples
    nothing is inside."""
    return np.stack(list(sample_planes(selected, box.axes_mm(grid))))
