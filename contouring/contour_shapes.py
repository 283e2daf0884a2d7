"""The plane geometry of closed contours, as a reader of anybody's file needs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contouring.rasters import count_turns

FloatArray = NDArray[np.float64]
RASTER_SIDE = 128  # places across a contour at which its windings are counted


def area_vector(points_mm: FloatArray) -> FloatArray:
    """(3,): along the normal of a closed contour (n, 3), as long as its area is large (Newell)."""
    from_first = points_mm - points_mm[0]
    return np.asarray(np.cross(from_first[:-1], from_first[1:]).sum(axis=0) / 2)


def off_own_plane_mm(points_mm: FloatArray) -> float:
    """The largest distance of any of (n, 3) points from the plane that fits them best."""
    offsets = points_mm - points_mm.mean(axis=0)
    normal = np.linalg.eigh(offsets.T @ offsets)[1][:, 0]
    return float(np.abs(offsets @ normal).max())


def plane_axes(normal: FloatArray) -> FloatArray:
    """(3, 2): two unit vectors across a normal, the same for every contour of one file."""
    least = np.eye(3)[np.abs(normal).argmin()]
    across = np.cross(normal, least)
    across /= np.linalg.norm(across)
    return np.stack([across, np.cross(normal, across)], axis=1)


def signed_area(ring: FloatArray) -> float:
    """Shoelace area of an (n, 2) ring."""
    x, y = (ring - ring[0]).T  # so that the side back to the first corner adds nothing
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def ambiguous_area(ring: FloatArray) -> float:
    """How much of an (n, 2) ring's inside depends on the rule by which it is filled.

    Where a line crosses itself, even-odd and winding readers disagree. A keyhole's bridge, run
    once each way, encloses nothing and leaves no such area.
    """
    low, extent = ring.min(axis=0), np.ptp(ring, axis=0)
    if (extent == 0).any():
        return 0.0
    step = extent / RASTER_SIDE
    columns, rows = ((ring - low) / step - 0.5).T
    turns, _ = count_turns([0], [(rows, columns)], (1, RASTER_SIDE, RASTER_SIDE))
    usual = max((1, -1), key=lambda turn: int((turns == turn).sum()))
    return float(((turns != 0) & (turns != usual)).sum() * step.prod())


def share_inside(points: FloatArray, ring: FloatArray) -> float:
    """The share of (m, 2) points inside an (n, 2) ring, by the even-odd rule."""
    x, y = points[:, :1], points[:, 1:]
    (x1, y1), (x2, y2) = ring.T, np.roll(ring, -1, axis=0).T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    inside = (crosses & (x < at)).sum(axis=1) % 2 == 1
    return float(inside.mean())
