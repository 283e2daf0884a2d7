"""Holes joined to their outer ring: one line, the same area for every reader."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon

from contouring.keyholes import join_holes
from tests.contouring.rings import FloatArray, is_inside, shoelace_area


def star(centre: tuple[float, float], radii: FloatArray) -> FloatArray:
    """A ring around a centre with one corner per radius, (n, 2)."""
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    return np.array(centre) + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]


@st.composite
def holed_polygons(draw: st.DrawFn) -> Polygon:
    """A star of 40 to 60 mm with one to four holes of 3 to 12 mm in its quarters, any turn."""
    outer = star((0, 0), np.array(draw(st.lists(st.floats(40, 60), min_size=5, max_size=40))))
    quarters = draw(st.lists(st.sampled_from(range(4)), min_size=1, max_size=4, unique=True))
    holes = []
    for quarter in quarters:
        angle = (quarter + 0.5) * np.pi / 2
        centre = 19.0 * np.cos(angle), 19.0 * np.sin(angle)
        holes.append(
            star(centre, np.array(draw(st.lists(st.floats(3, 12), min_size=3, max_size=20))))
        )
    # Few corners may cut a star's middle short: only true polygons are wanted.
    polygon = Polygon(outer).buffer(0)
    holes = [hole for hole in holes if polygon.buffer(-1e-3).contains(Polygon(hole))]
    return Polygon(polygon.exterior, holes)


@given(holed_polygons())
def test_the_joined_line_has_the_polygon_s_area(polygon: Polygon) -> None:
    """A reader that fills the hole would give the organ too large a volume."""
    ring = join_holes(shapely.orient_polygons(polygon))

    assert shoelace_area(ring) == pytest.approx(polygon.area, rel=1e-9)
    assert Polygon(ring).buffer(0).area == pytest.approx(polygon.area, rel=1e-6)


@given(holed_polygons(), st.integers(0, 1000))
def test_the_even_odd_rule_fills_the_joined_line_as_the_polygon(
    polygon: Polygon, seed: int
) -> None:
    """Most readers rasterise by that rule; rounding to micrometres must not open the bridge."""
    points = np.random.default_rng(seed).uniform(-60, 60, (200, 2))
    ring = np.round(join_holes(shapely.orient_polygons(polygon)), 3)

    filled = is_inside([ring], points)

    border = shapely.distance(shapely.points(points), polygon.boundary)
    expected = shapely.contains_xy(polygon, points)
    assert np.array_equal(filled[border > 0.01], expected[border > 0.01])


@given(holed_polygons())
def test_every_bridge_is_walked_both_ways_between_bit_identical_ends(polygon: Polygon) -> None:
    """Readers find keyholes by equal coordinates; a bridge with a width would be a slit."""
    ring = join_holes(shapely.orient_polygons(polygon))

    edges = [(tuple(a), tuple(b)) for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True)]
    bridges = {edge for edge in edges if edge[::-1] in set(edges)}
    on_outline = [edge for edge in edges if edge not in bridges]
    assert len(bridges) >= 2 * len(polygon.interiors)
    outline_mm = sum(float(np.hypot(*np.subtract(b, a))) for a, b in on_outline)
    assert outline_mm == pytest.approx(polygon.length, rel=1e-9)


@given(holed_polygons())
def test_no_bridge_leaves_the_polygon(polygon: Polygon) -> None:
    """A bridge across another hole or outside would be drawn over what is no organ."""
    ring = join_holes(shapely.orient_polygons(polygon))

    edges = [(tuple(a), tuple(b)) for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True)]
    bridges = [LineString(edge) for edge in edges if edge[::-1] in set(edges)]
    grown = polygon.buffer(1e-6)
    assert all(grown.covers(bridge) for bridge in bridges)


def test_a_polygon_without_holes_is_its_outer_ring() -> None:
    """The first point is not repeated: CLOSED_PLANAR closes itself."""
    square = Polygon([(0, 0), (4, 0), (4, 4), (0, 4)])

    assert join_holes(square).tolist() == [[0, 0], [4, 0], [4, 4], [0, 4]]


def test_a_bridge_may_start_in_the_middle_of_a_side() -> None:
    """The shortest bridge seldom meets a corner."""
    square = Polygon([(0, 0), (10, 0), (10, 10), (0, 10)], [[(4, 1), (4, 3), (6, 3), (6, 1)]])

    ring = join_holes(square)

    assert Point(ring[0]).distance(square.exterior) == 0
    assert (ring == ring[0]).all(axis=1).sum() == 2
    assert abs(shoelace_area(ring)) == pytest.approx(96)


def test_holes_in_a_row_are_joined_through_each_other() -> None:
    """The outer ring's nearest point may be behind another hole."""
    holes = [[(x, 4), (x, 6), (x + 2, 6), (x + 2, 4)] for x in (1, 4, 7, 10)]
    wide = Polygon([(0, 0), (13, 0), (13, 10), (0, 10)], holes)

    ring = join_holes(wide)

    assert abs(shoelace_area(ring)) == pytest.approx(wide.area)
    assert Polygon(ring).buffer(0).area == pytest.approx(wide.area)
