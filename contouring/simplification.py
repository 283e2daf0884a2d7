"""Fewer points on the same border: Douglas-Peucker lines that keep their area and their validity.

A file holds coordinates in whole micrometres. Outlines are therefore kept clear of themselves by
more than rounding can move them: what is simple here cannot cross itself in the file.
"""

from __future__ import annotations

import shapely
from shapely import LinearRing, Polygon

# Douglas-Peucker tolerances, the first that leaves a sound polygon. With the area restored, 0.1 mm
# costs 0.02 mm in the mean and nothing in volume, for a sixth of the points.
SIMPLIFY_MM = (0.1, 0.05, 0.02)
# Rounding to 0.001 mm in space moves two points towards each other by at most 0.0018 mm.
CLEARANCE_MM = 0.004
# Where a line comes too near to itself, necks and notches narrower than twice this are closed.
MENDING_MM = (0.0, 0.01, 0.03, 0.1)


def simplify(polygon: Polygon, least_area_mm2: float) -> list[Polygon]:
    """A polygon with few points and its area, or its parts where it hangs on a thread.

    Each is oriented (outer ring counter-clockwise, holes clockwise) and valid, and stays so when
    every point moves by up to 0.001 mm. Parts and holes below `least_area_mm2` are left out.
    """
    parts: list[Polygon] = []
    for width_mm in MENDING_MM:
        whole = _without_specks(_mended(polygon, width_mm), least_area_mm2)
        parts = [_simplified(part) for part in whole]
        if all(is_clear_of_itself(part) for part in parts):
            break
    return [shapely.orient_polygons(part) for part in parts]


def is_clear_of_itself(polygon: Polygon) -> bool:
    """Whether it is valid, with no two points or lines nearer than `CLEARANCE_MM`."""
    points = shapely.get_coordinates(polygon)
    distinct = len(set(map(tuple, points.tolist())))
    is_touching = distinct < len(points) - len(_rings(polygon))  # each ring repeats one point
    is_wide = shapely.minimum_clearance(polygon) >= CLEARANCE_MM
    return bool(polygon.is_valid and not is_touching and is_wide)


def _mended(polygon: Polygon, width_mm: float) -> list[Polygon]:
    """Its parts, without what is narrower than twice the width."""
    mended = polygon
    if not polygon.is_valid:  # a field of exactly zero pinches it to a point
        mended = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    if width_mm > 0:
        mended = mended.buffer(width_mm).buffer(-2 * width_mm).buffer(width_mm)
    return [part for part in shapely.get_parts(mended) if isinstance(part, Polygon)]


def _without_specks(parts: list[Polygon], least_area_mm2: float) -> list[Polygon]:
    return [
        Polygon(
            part.exterior,
            [hole for hole in part.interiors if Polygon(hole).area >= least_area_mm2],
        )
        for part in parts
        if part.area >= least_area_mm2
    ]


def _simplified(polygon: Polygon) -> Polygon:
    """With the restored area of each ring, by the coarsest tolerance that keeps it sound.

    A hole is offset for itself, since its chords make it smaller just as they do the outer ring.
    """
    for tolerance_mm in SIMPLIFY_MM:
        simple = shapely.simplify(polygon, tolerance_mm)
        rings = [
            _restored(Polygon(ring), Polygon(whole).area)
            for ring, whole in zip(_rings(simple), _rings(polygon), strict=True)
        ]
        restored = Polygon(rings[0], rings[1:])
        if is_clear_of_itself(restored):
            return restored
    return polygon


def _rings(polygon: Polygon) -> list[LinearRing]:
    return [polygon.exterior, *polygon.interiors]


def _restored(inside: Polygon, area_mm2: float) -> LinearRing:
    """The outline moved along its normal until it holds the area, if it stays one line."""
    shift_mm = (area_mm2 - inside.area) / inside.length
    moved = shapely.buffer(inside, shift_mm, join_style="mitre")
    is_one_line = isinstance(moved, Polygon) and not moved.is_empty and not moved.interiors
    return moved.exterior if is_one_line else inside.exterior
