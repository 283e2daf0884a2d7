"""Keyholes: a polygon with holes as one closed line, with a bridge of no width to each hole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from shapely import LineString, Point, Polygon
from shapely.ops import nearest_points


def join_holes(polygon: Polygon) -> NDArray[np.float64]:
    """(n, 2) points of the outer ring with every hole joined in; the first is not repeated.

    The nearest hole is joined first, by the shortest bridge, so that no bridge can cross another
    ring. Both ends of a bridge are visited twice with bit-identical coordinates.
    """
    ring = _open(polygon.exterior.coords)
    holes = [_open(hole.coords) for hole in polygon.interiors]
    while holes:
        outline = LineString(_closed(ring))
        nearest = min(holes, key=lambda hole: outline.distance(LineString(_closed(hole))))
        holes = [hole for hole in holes if hole is not nearest]
        on_ring, on_hole = nearest_points(outline, LineString(_closed(nearest)))
        ring = _joined(_from(ring, on_ring), _from(nearest, on_hole))
    return ring


def _open(coordinates: object) -> NDArray[np.float64]:
    return np.asarray(coordinates, np.float64)[:-1]


def _closed(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.vstack([ring, ring[:1]])


def _from(ring: NDArray[np.float64], start: Point) -> NDArray[np.float64]:
    """The ring, turned to begin at `start`, which is inserted if it is no vertex."""
    point = np.array([start.x, start.y])
    ends = np.roll(ring, -1, axis=0)
    sides = ends - ring
    lengths = np.maximum((sides**2).sum(axis=1), np.finfo(float).tiny)
    along = np.clip(((point - ring) * sides).sum(axis=1) / lengths, 0, 1)
    off = ((ring + along[:, None] * sides - point) ** 2).sum(axis=1)
    side = int(off.argmin())
    turned = np.roll(ring, -(side + 1), axis=0)  # begins at the end of that side
    rest = [p for p in (turned[0], turned[-1]) if np.array_equal(p, point)]
    if rest:
        shift = side + 1 if np.array_equal(turned[0], point) else side
        return np.roll(ring, -shift, axis=0)
    return np.vstack([point, turned])


def _joined(ring: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Around the ring back to its start, over the bridge, around the hole and back."""
    return np.vstack([ring, ring[:1], hole, hole[:1]])
