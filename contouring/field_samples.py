"""A structure's field at places between its samples, as smooth as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from contouring.lattice import SAME_POSITION_MM, cubic_matrix, interpolation_matrix
from contouring.masks import StructureField

JUST_OUTSIDE = 1e-3  # in the field's own unit
NO_WEIGHT = 1e-5  # what rounding leaves of a weight that is zero
ALL_WEIGHT = 1 - 1e-4


def sample_planes(
    selected: StructureField, targets_mm: Sequence[NDArray[np.float64]]
) -> Iterator[NDArray[np.float32]]:
    """Cubic interpolation, one (rows, columns) plane for each target along the slice axis.

    `targets_mm`: ascending places along the CT's slice, row and column axis, as in
    `Grid.axes_mm`. Between samples of one sign the field keeps that sign, so that no border comes
    from overshoot alone. Beyond the samples nothing is inside.
    """
    along_ct = selected.lattice.to_ct_axes(selected.field)
    axes = list(zip(selected.lattice.axes_mm, targets_mm, strict=True))
    cubic, linear = (
        [_clean(weights(*axis)) for axis in axes]
        for weights in (cubic_matrix, interpolation_matrix)
    )
    within_slices, rows, columns = (_within(*axis) for axis in axes)
    beyond = ~np.logical_and.outer(rows, columns)
    smooth, straight = (
        [sparse.csr_array(matrix) for matrix in matrices[1:]] for matrices in (cubic, linear)
    )
    for weights, shares, is_within in zip(cubic[0], linear[0], within_slices, strict=True):
        values = _along_both(smooth, _mixed(weights, along_ct))
        share_inside = _along_both(straight, _mixed(shares, along_ct > 0))
        np.minimum(values, -JUST_OUTSIDE, out=values, where=share_inside < NO_WEIGHT)
        np.maximum(values, JUST_OUTSIDE, out=values, where=share_inside > ALL_WEIGHT)
        np.negative(np.abs(values), out=values, where=beyond if is_within else np.True_)
        yield values


def _within(source_mm: NDArray[np.float64], target_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    low, high = source_mm[0] - SAME_POSITION_MM, source_mm[-1] + SAME_POSITION_MM
    return np.asarray((target_mm >= low) & (target_mm <= high))


def _clean(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.abs(weights) < NO_WEIGHT, np.float32(0), weights)


def _mixed(
    weights: NDArray[np.float32], samples: NDArray[np.number | np.bool_]
) -> NDArray[np.float32]:
    used = np.flatnonzero(weights)
    return np.asarray(sum(weights[k] * samples[k] for k in used), np.float32)


def _along_both(
    matrices: Sequence[sparse.csr_array], plane: NDArray[np.float32]
) -> NDArray[np.float32]:
    rows, columns = matrices
    return np.array((columns @ (rows @ plane).T).T, np.float32)
