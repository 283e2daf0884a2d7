"""A structure's field at the CT's voxel centres, for the release check.

A field is cubic between its samples (docs/decisions/0005-refined-before-tracing.md). It is computed
here from that definition with scipy, by no code that draws contours, so that a fault of either
shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicHermiteSpline, interp1d

from contouring.grid import Grid
from contouring.masks import StructureField

FloatArray = NDArray[np.float64]
Box = tuple[slice, slice, slice]
REACH_MM = 1e-6  # a voxel on the outermost sample still has a value
SLICES_AT_ONCE = 16  # bounds the memory that a field over the whole scan takes
NEIGHBOURS = 3  # samples on either side that decide a value, and one to spare
IN_SLICE = ndimage.generate_binary_structure(3, 1)  # neighbours across an edge,
IN_SLICE[[0, 2]] = False  # never in another slice
NONE, ALL = 1e-5, 1 - 1e-4  # shares of samples inside, but for rounding


@dataclass(frozen=True, eq=False)
class FieldVoxels:
    """The voxels of a CT that a field reaches: `inside` (slices, rows, columns) within `box`.

    `on_border`: of the same shape, where the field is exactly zero beside what is inside. Such a
    voxel's centre lies on the line itself and belongs to either side.
    """

    box: Box
    inside: NDArray[np.bool_]
    on_border: NDArray[np.bool_]

    def within(self, box: Box, in_file: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The voxels inside, in a box around this one; those on the border as the file has them."""
        mask = np.zeros([side.stop - side.start for side in box], bool)
        moved = tuple(
            slice(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.box, box, strict=True)
        )
        mask[moved] = self.inside | (self.on_border & in_file[moved])
        return mask


def read_field(selected: StructureField, grid: Grid) -> FieldVoxels:
    """Which voxel centres lie inside the structure by its field."""
    samples_mm = selected.lattice.axes_mm
    slices, rows, columns = (
        _reached(voxels_mm, sides_mm)
        for voxels_mm, sides_mm in zip(_voxels_mm(grid), samples_mm, strict=True)
    )
    box = (slices, rows, columns)
    inside = np.zeros([side.stop - side.start for side in box], bool)
    is_zero = np.zeros_like(inside)
    if inside.size:
        field = _along_scan(selected)
        voxels_mm = [axis[side] for axis, side in zip(_voxels_mm(grid), box, strict=True)]
        for start in range(0, len(inside), SLICES_AT_ONCE):
            chunk = slice(start, start + SLICES_AT_ONCE)
            at_mm = (voxels_mm[0][chunk], voxels_mm[1], voxels_mm[2])
            near = _near(samples_mm[0], at_mm[0])
            inside[chunk], is_zero[chunk] = _judge(
                field[near].astype(np.float64), (samples_mm[0][near], *samples_mm[1:]), at_mm
            )
    return FieldVoxels(box, inside, is_zero & ndimage.binary_dilation(inside, IN_SLICE))


def read_places(
    selected: StructureField, grid: Grid, slice_index: int, rows: FloatArray, columns: FloatArray
) -> NDArray[np.bool_]:
    """Whether places between voxel centres of one slice lie inside: (rows, columns).

    `rows`, `columns`: ascending indices, whole numbers at the centres.
    """
    row_mm, column_mm = grid.pixel_spacing_mm
    slices_mm = _voxels_mm(grid)[0]
    places_mm = (slices_mm[[slice_index]], rows * row_mm, columns * column_mm)
    samples_mm = selected.lattice.axes_mm
    inside = np.zeros((1, len(rows), len(columns)), bool)
    reached = [_reached(*axis) for axis in zip(places_mm, samples_mm, strict=True)]
    if all(side.stop > side.start for side in reached):
        z_mm, y_mm, x_mm = (axis[side] for axis, side in zip(places_mm, reached, strict=True))
        near = tuple(_near(*axis) for axis in zip(samples_mm, (z_mm, y_mm, x_mm), strict=True))
        near_z, near_y, near_x = (axis[side] for axis, side in zip(samples_mm, near, strict=True))
        field = _along_scan(selected)[near].astype(np.float64)
        inside[tuple(reached)] = _judge(field, (near_z, near_y, near_x), (z_mm, y_mm, x_mm))[0]
    return np.asarray(inside[0])


def _voxels_mm(grid: Grid) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slices, rows and columns as distances from the first voxel's centre."""
    normal = np.cross(grid.row_direction, grid.column_direction)
    slices_mm = np.array([(place - grid.positions_mm[0]) @ normal for place in grid.positions_mm])
    rows_mm, columns_mm = (
        np.array([spacing_mm * index for index in range(count)])
        for spacing_mm, count in zip(grid.pixel_spacing_mm, (grid.rows, grid.columns), strict=True)
    )
    return slices_mm, rows_mm, columns_mm


def _reached(voxels_mm: FloatArray, samples_mm: FloatArray) -> slice:
    low, high = samples_mm[0] - REACH_MM, samples_mm[-1] + REACH_MM
    reached = np.flatnonzero((voxels_mm >= low) & (voxels_mm <= high))
    return slice(int(reached[0]), int(reached[-1]) + 1) if len(reached) else slice(0, 0)


def _along_scan(selected: StructureField) -> NDArray[np.floating]:
    """The field with its axes along slices, rows and columns, all ascending."""
    values: NDArray[np.floating] = selected.field
    for array_axis, is_flipped in enumerate(selected.lattice.flipped):
        if is_flipped:
            values = np.flip(values, array_axis)
    return np.moveaxis(values, range(3), selected.lattice.order)


def _judge(
    field: FloatArray,
    samples_mm: tuple[FloatArray, FloatArray, FloatArray],
    at_mm: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which voxels are inside, and at which the field is exactly zero."""
    value, share = field, (field > 0).astype(np.float64)
    for axis in range(3):
        value = _along(axis, _cubic, value, samples_mm[axis], at_mm[axis])
        share = _along(axis, interp1d, share, samples_mm[axis], at_mm[axis])
    # Between samples of one sign a field keeps that sign: what a cubic overshoots is no border.
    return (share > NONE) & ((value > 0) | (share > ALL)), value == 0


def _along(
    axis: int,
    interpolation: Callable[..., Callable[[FloatArray], FloatArray]],
    values: FloatArray,
    samples_mm: FloatArray,
    at_mm: FloatArray,
) -> FloatArray:
    """Values at other places along one axis; where those are samples, the samples."""
    nearest = _nearest(samples_mm, at_mm)
    if np.abs(samples_mm[nearest] - at_mm).max() <= REACH_MM:
        return np.asarray(values.take(nearest, axis))
    places = np.clip(at_mm, samples_mm[0], samples_mm[-1])
    return np.asarray(interpolation(samples_mm, values, axis=axis)(places))


def _nearest(samples_mm: FloatArray, at_mm: FloatArray) -> NDArray[np.intp]:
    return np.asarray(np.abs(samples_mm[:, np.newaxis] - at_mm).argmin(axis=0))


def _near(samples_mm: FloatArray, at_mm: FloatArray) -> slice:
    """The samples that decide values at ascending places."""
    nearest = _nearest(samples_mm, at_mm)
    return slice(max(int(nearest[0]) - NEIGHBOURS, 0), int(nearest[-1]) + NEIGHBOURS + 1)


def _cubic(
    samples_mm: FloatArray, values: FloatArray, axis: int
) -> Callable[[FloatArray], FloatArray]:
    """Through the samples, at each with the slope of the parabola through it and its neighbours;
    at either end with that of the last chord."""
    slopes = np.gradient(values, samples_mm, axis=axis)
    return cast(
        Callable[[FloatArray], FloatArray],
        CubicHermiteSpline(samples_mm, values, slopes, axis=axis),
    )
