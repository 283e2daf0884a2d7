"""Fewer points, the same area, and nothing that rounding could break."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Point, Polygon, box

from contouring.simplification import CLEARANCE_MM, is_clear_of_itself, simplify
from tests.contouring.rings import FloatArray

SPECK_MM2 = 0.5


def rounded(polygon: Polygon, shift: FloatArray) -> Polygon:
    """The polygon as a file holds it, whose origin may lie anywhere between two micrometres."""
    return shapely.transform(polygon, lambda points: np.round(points + shift, 3))


@st.composite
def wild_rings(draw: st.DrawFn) -> Polygon:
    """Rings that come near to themselves, touch or cross themselves, in steps of 0.001 to 1 mm."""
    step = draw(st.sampled_from([0.001, 0.003, 0.01, 0.1, 1.0]))
    corners = st.tuples(st.integers(0, 6), st.integers(0, 6))
    ring = draw(st.lists(corners, min_size=4, max_size=14, unique=True))
    nudge = draw(st.lists(st.integers(-3, 3), min_size=2 * len(ring), max_size=2 * len(ring)))
    points = 2.0 * np.array(ring) + step * np.array(nudge).reshape(-1, 2)
    return Polygon(points)


@given(
    polygon=wild_rings(),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
)
def test_what_is_drawn_stays_valid_when_it_is_rounded(
    polygon: Polygon, shift: tuple[float, float]
) -> None:
    """A contour that crosses itself is refused or repaired by every system in its own way."""
    parts = simplify(polygon, SPECK_MM2)

    for part in parts:
        written = rounded(part, np.array(shift))
        assert part.is_valid
        assert written.is_valid
        assert written.area >= SPECK_MM2 * 0.9
        assert len({tuple(p) for p in shapely.get_coordinates(written)}) >= 3
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)


@given(polygon=wild_rings())
def test_what_is_drawn_fills_what_was_there(polygon: Polygon) -> None:
    """Even where a line had to be mended; by 0.2 mm along the border and no more."""
    whole = shapely.make_valid(polygon, method="structure", keep_collapsed=False)

    drawn = shapely.union_all(simplify(polygon, SPECK_MM2))

    assert shapely.difference(whole.buffer(-0.25), drawn.buffer(0.3)).area < SPECK_MM2
    assert shapely.difference(drawn, whole.buffer(0.6, join_style="mitre")).area < 1e-6


@pytest.mark.parametrize("radius_mm", [2.5, 10.0, 60.0])
def test_a_circle_keeps_its_area_with_few_points(radius_mm: float) -> None:
    """Douglas-Peucker alone would lose up to a percent."""
    circle = Point(5.0, 7.0).buffer(radius_mm, quad_segs=200)

    (drawn,) = simplify(circle, SPECK_MM2)

    assert drawn.area == pytest.approx(circle.area, rel=3e-4)
    assert len(drawn.exterior.coords) < 70
    assert drawn.hausdorff_distance(circle) < 0.15


def test_both_borders_of_a_ring_keep_their_place() -> None:
    """A hole is offset for itself; its island is another polygon."""
    ring = Point(0.0, 0.0).buffer(20.0, quad_segs=90) - Point(0.0, 0.0).buffer(15.0, quad_segs=90)

    (drawn,) = simplify(ring, SPECK_MM2)

    (hole,) = drawn.interiors
    assert Polygon(hole).area == pytest.approx(np.pi * 225, rel=1e-3)
    assert Polygon(drawn.exterior).area == pytest.approx(np.pi * 400, rel=1e-3)


def test_specks_and_pinholes_are_left_out() -> None:
    """0.4 mm2 is no organ and no cavity."""
    speck = box(0, 0, 0.5, 0.8)
    pierced = box(0, 0, 10, 10) - box(4, 4, 4.5, 4.8)

    assert simplify(speck, SPECK_MM2) == []
    (drawn,) = simplify(pierced, SPECK_MM2)
    assert not drawn.interiors
    assert drawn.area == pytest.approx(100.0)


def test_two_parts_that_touch_in_a_point_are_drawn_apart() -> None:
    """A field of exactly zero pinches; both halves are there."""
    pinched = Polygon([(0, 0), (2, 2), (4, 0), (4, 4), (2, 2), (0, 4)])

    parts = simplify(pinched, SPECK_MM2)

    assert sorted(part.area for part in parts) == pytest.approx([4.0, 4.0], rel=0.01)


@pytest.mark.parametrize("gap_mm", [0.0005, 0.002, 0.015])
def test_a_notch_too_narrow_to_be_written_is_closed(gap_mm: float) -> None:
    """Rounding would lay its sides on each other, or across."""
    notched = box(0, 0, 10, 10) - box(5 - gap_mm / 2, 2, 5 + gap_mm / 2, 10)

    parts = simplify(notched, SPECK_MM2)

    assert all(is_clear_of_itself(part) for part in parts)
    assert sum(part.area for part in parts) == pytest.approx(100.0, rel=0.01)
    assert (len(parts[0].exterior.coords) <= 6) == (gap_mm < CLEARANCE_MM)


def test_a_hole_that_touches_its_outline_is_opened_or_closed() -> None:
    """A keyhole without a bridge would repeat a point."""
    touching = Polygon([(0, 0), (5, 0), (10, 0), (10, 10), (0, 10)], [[(5, 0), (4, 4), (6, 4)]])

    parts = simplify(touching, SPECK_MM2)

    assert touching.is_valid
    assert not is_clear_of_itself(touching)
    assert all(is_clear_of_itself(part) for part in parts)
    assert sum(part.area for part in parts) == pytest.approx(touching.area, rel=0.01)


def test_a_line_that_nothing_mends_is_drawn_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left to the release check, rather than left out in silence."""
    monkeypatch.setattr("contouring.simplification.MENDING_MM", (0.0,))
    notched = box(0, 0, 10, 10) - box(4.9995, 2, 5.0005, 10)

    (drawn,) = simplify(notched, SPECK_MM2)

    assert drawn.equals(notched)
