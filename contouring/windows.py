"""Sliding windows: where they stand and how their answers are blended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_SIGMA = 0.125  # of the window side, as in nnU-Net
# Of a neighbour's weight: rims that weigh less are not added up. Of windows that overlap by half
# this leaves half of the samples; on each axis it moves a logit by at most a fiftieth of what the
# windows there differ by.
LEAST_SHARE = 0.02

Window = tuple[slice, slice, slice]


def plan_windows(
    shape_zyx: tuple[int, int, int], window_zyx: tuple[int, int, int], overlap: float
) -> tuple[Window, ...]:
    """Windows that cover an array evenly; the last ones are shifted inwards, never padded.

    Every side of the array must be at least as long as the window's.
    """
    sides = [
        [slice(start, start + window) for start in _starts(length, window, overlap)]
        for length, window in zip(shape_zyx, window_zyx, strict=True)
    ]
    return tuple((z, y, x) for z, y, x in product(*sides))


def fit_window(length: int, window: int, longest: int, overlap: float, multiple_of: int) -> int:
    """The side of windows that cover `length` samples with the fewest samples shown.

    At least `window` and at most `longest`; of equals the longest, which are the fewest.
    """
    best = window
    shown = (len(_starts(max(length, window), window, overlap)) * window, -window)
    for side in range(window + multiple_of, longest + 1, multiple_of):
        count = len(_starts(max(length, side), side, overlap))
        if (count * side, -side) < shown:
            best, shown = side, (count * side, -side)
    return best


def _starts(length: int, window: int, overlap: float) -> list[int]:
    stride = max(1, int(window * (1 - overlap)))
    count = 1 + -(-(length - window) // stride)
    return [int(start) for start in np.round(np.linspace(0, length - window, count))]


def heard_parts(windows: Sequence[Window]) -> tuple[Window, ...]:
    """The part of each window, in places of the array, that is worth blending.

    Without the rims where another window that stands beside it on that axis weighs `1 /
    LEAST_SHARE` times as much. `windows`: of one size, as `plan_windows` gives them, and for every
    voxel that matters all that show it.
    """
    sides = [
        _heard_sides(sorted({window[axis].start for window in windows}), _length(windows[0][axis]))
        for axis in range(3)
    ]
    return tuple((sides[0][z.start], sides[1][y.start], sides[2][x.start]) for z, y, x in windows)


def _heard_sides(starts: list[int], length: int) -> dict[int, slice]:
    """Of windows that start there, by their start; in the same order as these."""
    places = np.arange(length)
    own = _gaussian(length)
    sides = {}
    for start in starts:
        is_heard = np.ones(length, bool)
        for other in starts:
            shared = places[max(other - start, 0) : max(min(other - start, 0) + length, 0)]
            is_heard[shared] &= own[shared] >= LEAST_SHARE * own[shared + start - other]
        first, last = np.flatnonzero(is_heard)[[0, -1]]
        sides[start] = slice(start + int(first), start + int(last) + 1)
    return sides


def _length(side: slice) -> int:
    return int(side.stop - side.start)


def _gaussian(length: int) -> NDArray[np.float64]:
    places = np.arange(length) - (length - 1) / 2
    return np.asarray(np.exp(-0.5 * (places / (length * GAUSSIAN_SIGMA)) ** 2))


@lru_cache(maxsize=4)
def blending_weights(window_zyx: tuple[int, int, int]) -> NDArray[np.float32]:
    """(z, y, x) Gaussian weights, 1 at the window's centre; not to be written to."""
    z, y, x = (_gaussian(length) for length in window_zyx)
    weights = np.multiply.outer(np.multiply.outer(z, y), x)
    # At a window's corners still 4e-11: no voxel is divided by nothing.
    blending = np.asarray(weights / weights.max(), np.float32)
    blending.flags.writeable = False
    return blending
