"""Sliding windows: where they stand and how their answers are blended."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_SIGMA = 0.125  # of the window side, as in nnU-Net
LEAST_WEIGHT = 1e-3  # keeps every voxel's weight above zero


def plan_windows(
    shape_zyx: tuple[int, int, int], window_zyx: tuple[int, int, int], overlap: float
) -> tuple[tuple[slice, slice, slice], ...]:
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


@lru_cache(maxsize=4)
def blending_weights(window_zyx: tuple[int, int, int]) -> NDArray[np.float32]:
    """(z, y, x) Gaussian weights, 1 at the window's centre; not to be written to."""
    z, y, x = (
        np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n * GAUSSIAN_SIGMA)) ** 2)
        for n in window_zyx
    )
    weights = np.multiply.outer(np.multiply.outer(z, y), x)
    blending = np.asarray(np.maximum(weights / weights.max(), LEAST_WEIGHT), np.float32)
    blending.flags.writeable = False
    return blending
