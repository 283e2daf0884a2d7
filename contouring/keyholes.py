"""Keyholes: a polygon with holes as one closed line, with a bridge of no width to each hole."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LinearRing, MultiLineString, Point, Polygon
from shapely.ops import nearest_points

# An end of a bridge nearer than this to a corner is that corner: rounding to 0.001 mm would lay
# the two on each other, or one before the other. Below the clearance that outlines keep.
SAME_CORNER_MM = 0.002


def join_holes(polygon: Polygon) -> NDArray[np.float64]:
    """(n, 2) points of the outer ring with every hole joined in; the first is not repeated.

    The nearest hole is joined first, by the shortest bridge to a ring already joined, so that no
    bridge can cross another ring or bridge. Both ends of a bridge are visited twice with
    bit-identical coordinates.
    """
    line = _open(polygon.exterior)
    joined, holes = [polygon.exterior], list(polygon.interiors)
    while holes:
        reached = MultiLineString(joined)
        nearest = holes.pop(int(np.argmin(shapely.distance(holes, reached))))
        on_reached, on_hole = nearest_points(reached, nearest)
        line = _joined(_from(line, on_reached), _from(_open(nearest), on_hole))
        joined.append(nearest)
    return line


def _open(ring: LinearRing) -> NDArray[np.float64]:
    return np.asarray(ring.coords, np.float64)[:-1]


def _from(ring: NDArray[np.float64], start: Point) -> NDArray[np.float64]:
    """The ring, turned to begin at `start`, which is inserted if no corner is there."""
    point = np.array([start.x, start.y])
    from_corners = np.hypot(*(ring - point).T)
    corner = int(from_corners.argmin())
    if from_corners[corner] < SAME_CORNER_MM:
        return np.roll(ring, -corner, axis=0)
    sides = np.roll(ring, -1, axis=0) - ring
    along = np.clip(((point - ring) * sides).sum(axis=1) / (sides**2).sum(axis=1), 0, 1)
    off = ((ring + along[:, None] * sides - point) ** 2).sum(axis=1)
    return np.vstack([point, np.roll(ring, -(int(off.argmin()) + 1), axis=0)])


def _joined(ring: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Around the ring back to its start, over the bridge, around the hole and back."""
    return np.vstack([ring, ring[:1], hole, hole[:1]])
