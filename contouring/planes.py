"""A structure's field on the CT's slice planes, fine enough to be traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.field_samples import JUST_OUTSIDE, sample_planes
from contouring.grid import Grid
from contouring.masks import StructureField

REFINEMENT = 3  # places per pixel at which the field is traced


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice: `values` (rows, columns) float32 at `rows_mm` and `columns_mm` from the first
    pixel's centre, positive inside, with a rim outside so that every zero line is closed."""

    slice_index: int
    values: NDArray[np.float32]
    rows_mm: NDArray[np.float64]
    columns_mm: NDArray[np.float64]


def cut_planes(selected: StructureField, grid: Grid) -> Iterator[Plane]:
    """The slices on which something of the structure lies, ascending."""
    slices, rows, columns = (
        _reached(axis, samples)
        for axis, samples in zip(grid.axes_mm, selected.lattice.axes_mm, strict=True)
    )
    if rows.start == rows.stop or columns.start == columns.stop:
        return  # a box of fine samples between the pixel centres
    rows_mm, columns_mm = _refined(grid.axes_mm[1][rows]), _refined(grid.axes_mm[2][columns])
    targets_mm = grid.axes_mm[0][slices], rows_mm, columns_mm
    rows_mm, columns_mm = _edged(rows_mm), _edged(columns_mm)
    for slice_index, values in enumerate(sample_planes(selected, targets_mm), slices.start):
        if (values > 0).any():
            yield Plane(slice_index, _closed(values), rows_mm, columns_mm)


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
    return np.pad(plane, 1, constant_values=-JUST_OUTSIDE)
