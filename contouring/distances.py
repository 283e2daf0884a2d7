"""Signed distances in millimetres to the zero surface of a structure's field.

The surface is known as a cloud of the points in which it crosses the edges of a fine lattice. The
nearest of them is further away than the surface by s^2 / (8 d), s their spacing and d the distance,
so a spacing is chosen for the smallest distance asked for. A distance changes by no more than one
walks: from the middles of coarse blocks it follows which samples lie near a distance that matters,
and only those are measured, also where a body fills the scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from contouring.field_samples import sample_planes
from contouring.grid import Grid
from contouring.masks import StructureField

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

LARGEST_ERROR_MM = 0.04  # of the cloud's spacing; a contour is asked to be within 0.1 mm
SPACING_LIMITS_MM = (0.5, 1.0)
NEAR_ZERO_MM = 1.0
FLAT = 1e-6  # slope of a field that tells no distance
CAP_MM = 1e-3  # beyond its box a field is outside: the surface closes here
BLOCK_MM = 5.0
SEARCH_THREADS = 2
FAR_MM = 1e4  # to a surface that does not exist


@dataclass(frozen=True, eq=False)
class ZeroSurface:
    """`points_mm`: (n, 3) on the surface, along the CT's slice, row and column axes."""

    points_mm: NDArray[np.float64]

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points_mm)

    def distance_mm(
        self, places_mm: NDArray[np.float64], within_mm: float = FAR_MM
    ) -> NDArray[np.float64]:
        """Unsigned, of each of (n, 3) places, but never more than `within_mm`."""
        if len(self.points_mm) == 0:
            return np.full(len(places_mm), within_mm)
        # Unbounded, a place in the middle of a body would be compared with all of its skin.
        nearest = self._tree.query(
            places_mm, distance_upper_bound=within_mm, workers=SEARCH_THREADS
        )[0]
        return np.asarray(np.minimum(nearest, within_mm), np.float64)


def find_surface(selected: StructureField, grid: Grid, smallest_mm: float) -> ZeroSurface:
    """The zero surface, dense enough for distances of `smallest_mm` and more.

    A structure that the scan's end or edge cuts has no surface there: it is taken to go on.
    """
    axes_mm = fine_axes(selected, grid, smallest_mm)
    points = list(_crossings(sample_planes(selected, axes_mm), axes_mm))
    return ZeroSurface(np.concatenate([np.empty((0, 3)), *points]))


def fine_axes(selected: StructureField, grid: Grid, smallest_mm: float) -> Axes:
    """The field's own samples and even steps between them, capped where its box ends in the
    scan."""
    spacing_mm = float(np.clip(np.sqrt(8 * LARGEST_ERROR_MM * smallest_mm), *SPACING_LIMITS_MM))
    slices, rows, columns = (
        _fine_axis(samples, scan, spacing_mm)
        for samples, scan in zip(selected.lattice.axes_mm, grid.axes_mm, strict=True)
    )
    return slices, rows, columns


def _fine_axis(
    samples_mm: NDArray[np.float64], scan_mm: NDArray[np.float64], spacing_mm: float
) -> NDArray[np.float64]:
    places = [
        np.linspace(low, high, max(1, int(np.ceil((high - low) / spacing_mm - 1e-6))), False)
        for low, high in pairwise(samples_mm)
    ]
    fine = np.concatenate([*places, samples_mm[-1:]])
    step = float(np.diff(samples_mm).max(initial=0.0))
    below = [fine[0] - CAP_MM] if samples_mm[0] - scan_mm[0] >= max(step, CAP_MM) else []
    above = [fine[-1] + CAP_MM] if scan_mm[-1] - samples_mm[-1] >= max(step, CAP_MM) else []
    return np.concatenate([below, fine, above])


def _crossings(
    planes: Iterator[NDArray[np.float32]], axes_mm: Axes
) -> Iterator[NDArray[np.float64]]:
    """Where the field changes its sign between two neighbouring places, by linear interpolation."""
    slices_mm, rows_mm, columns_mm = axes_mm
    before: NDArray[np.float32] | None = None
    for index, plane in enumerate(planes):
        inside = plane > 0
        row, column = np.nonzero(inside[:-1] != inside[1:])
        along = _between(rows_mm[row], rows_mm[row + 1], plane[row, column], plane[row + 1, column])
        yield _points(slices_mm[index], along, columns_mm[column])
        row, column = np.nonzero(inside[:, :-1] != inside[:, 1:])
        ends = columns_mm[column], columns_mm[column + 1]
        along = _between(*ends, plane[row, column], plane[row, column + 1])
        yield _points(slices_mm[index], rows_mm[row], along)
        if before is not None:
            row, column = np.nonzero((before > 0) != inside)
            low, high = np.broadcast_arrays(slices_mm[index - 1], slices_mm[index], row)[:2]
            along = _between(low, high, before[row, column], plane[row, column])
            yield _points(along, rows_mm[row], columns_mm[column])
        before = plane


def _between(
    low_mm: NDArray[np.float64],
    high_mm: NDArray[np.float64],
    at_low: NDArray[np.float32],
    at_high: NDArray[np.float32],
) -> NDArray[np.float64]:
    return np.asarray(low_mm + (high_mm - low_mm) * at_low / (at_low - at_high), np.float64)


def _points(*coordinates: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.stack(np.broadcast_arrays(*coordinates), axis=-1).astype(np.float64)


def signed_distances(
    surface: ZeroSurface,
    inside: NDArray[np.bool_],
    axes_mm: Axes,
    levels_mm: Sequence[float],
    reach_mm: float,
) -> NDArray[np.float32]:
    """(slices, rows, columns) float32 mm, positive inside.

    Measured at every sample that is nearer than `reach_mm` to one of the signed `levels_mm`;
    elsewhere the distance of a sample near by, or the farthest level and `reach_mm`, on the same
    side of every level.
    """
    blocks = [_Blocks(axis) for axis in axes_mm]
    middles = np.ix_(*(block.middles for block in blocks))
    shape = tuple(len(block.middles) for block in blocks)
    half_mm = np.sqrt(sum(np.ix_(*(block.reach_mm**2 for block in blocks))))
    within_mm = max(abs(level) for level in levels_mm) + reach_mm
    coarse = surface.distance_mm(
        _places(axes_mm, [block.middles for block in blocks]), within_mm + float(half_mm.max())
    )
    coarse = np.where(inside[middles], 1, -1) * coarse.reshape(shape)
    is_near = np.zeros(shape, bool)
    for level in levels_mm:
        is_near |= np.abs(coarse - level) <= half_mm + reach_mm
    spread = np.ix_(*(block.of_sample for block in blocks))
    signed = coarse.astype(np.float32)[spread]
    samples = np.nonzero(is_near[spread])
    places = _points(*(axis[index] for axis, index in zip(axes_mm, samples, strict=True)))
    measured = surface.distance_mm(places, within_mm)
    signed[samples] = np.where(inside[samples], measured, -measured)
    return signed


def smooth_near_zero(
    signed_mm: NDArray[np.float32], field: NDArray[np.float32], axes_mm: Axes
) -> NDArray[np.float32]:
    """Signed distances whose zero surface is the field's own.

    The nearest point of a cloud is never nearer than its spacing allows; next to the surface the
    field over its slope is the better measure. Both are (slices, rows, columns) on `axes_mm`.
    """
    slopes = [np.gradient(field, axis, axis=k) for k, axis in enumerate(axes_mm) if len(axis) > 1]
    slope = np.maximum(np.sqrt(sum(along**2 for along in slopes)), FLAT)
    first_order = np.abs(field) / slope
    unsigned = np.abs(signed_mm)
    nearer = np.where(unsigned < NEAR_ZERO_MM, np.minimum(unsigned, first_order), unsigned)
    return np.where(field > 0, nearer, -nearer).astype(np.float32)


def _places(axes_mm: Axes, indices: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    chosen = (axis[index] for axis, index in zip(axes_mm, indices, strict=True))
    return np.stack(np.meshgrid(*chosen, indexing="ij"), axis=-1).reshape(-1, 3)


class _Blocks:
    """Runs of samples along one axis, each with a sample near its middle."""

    def __init__(self, axis_mm: NDArray[np.float64]) -> None:
        step = float(np.diff(axis_mm).max(initial=0.0))
        size = max(1, int(BLOCK_MM / step)) if step > 0 else 1
        self.of_sample = np.arange(len(axis_mm)) // size
        starts = np.arange(0, len(axis_mm), size)
        self.middles = np.minimum(starts + size // 2, len(axis_mm) - 1)
        away_mm = np.abs(axis_mm - axis_mm[self.middles[self.of_sample]])
        self.reach_mm = np.maximum.reduceat(away_mm, starts)
