"""A structure's field on the CT's slice planes, fine enough to be traced."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.field_samples import JUST_OUTSIDE, sample_planes
from contouring.grid import Grid
from contouring.masks import StructureField

REFINEMENT = 3  # places per pixel at which the field is traced: at least these,
STEP_MM = 0.5  # and no two further apart, for chords cut the corners of a coarse grid


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
    pixels_mm = grid.axes_mm[1][rows], grid.axes_mm[2][columns]
    fine_mm = [_refined(axis) for axis in pixels_mm]
    targets_mm = grid.axes_mm[0][slices], *fine_mm
    rows_mm, columns_mm = (
        _edged(fine, _spacing_mm(pixels)) for fine, pixels in zip(fine_mm, pixels_mm, strict=True)
    )
    for slice_index, values in enumerate(sample_planes(selected, targets_mm), slices.start):
        if (values > 0).any():
            yield Plane(slice_index, _closed(values), rows_mm, columns_mm)


def _reached(axis_mm: NDArray[np.float64], samples_mm: NDArray[np.float64]) -> slice:
    """The CT indices between the first and the last sample."""
    first = int(np.searchsorted(axis_mm, samples_mm[0] - 1e-6))
    last = int(np.searchsorted(axis_mm, samples_mm[-1] + 1e-6))
    return slice(first, last)


def _refined(pixels_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The pixel centres and the places between each two of them."""
    per_pixel = max(REFINEMENT, math.ceil(_spacing_mm(pixels_mm) / STEP_MM))
    return np.linspace(pixels_mm[0], pixels_mm[-1], (len(pixels_mm) - 1) * per_pixel + 1)


def _edged(axis_mm: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    """The axis with half a pixel more at either end, where `_closed` adds values."""
    half = spacing_mm / 2
    return np.concatenate([[axis_mm[0] - half], axis_mm, [axis_mm[-1] + half]])


def _spacing_mm(pixels_mm: NDArray[np.float64]) -> float:
    """Between two pixels; where there is but one, as if it were of 1 mm."""
    return float(pixels_mm[1] - pixels_mm[0]) if len(pixels_mm) > 1 else 1.0


def _closed(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """With a rim, so that a structure cut by the image's edge ends half a pixel beyond it."""
    return np.pad(plane, 1, constant_values=-JUST_OUTSIDE)
