"""Plane geometry that judges rings without the code under test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def is_inside(rings: list[FloatArray], points: FloatArray) -> NDArray[np.bool_]:
    """Whether each of (n, 2) points is inside closed rings (m, 2), by the even-odd rule."""
    inside = np.zeros(len(points), bool)
    x, y = points[:, 0], points[:, 1]
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            crosses = (y1 > y) != (y2 > y)
            with np.errstate(divide="ignore", invalid="ignore"):
                at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
            inside ^= crosses & (x < at)
    return inside


def shoelace_area(ring: FloatArray) -> float:
    """Signed area of an (n, 2) ring: positive when it runs from the first axis to the second."""
    following = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * following[:, 1] - following[:, 0] * ring[:, 1]).sum() / 2)
