"""Plane geometry that lint and the release check rest on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.contour_shapes import (
    FloatArray,
    ambiguous_area,
    area_vector,
    off_own_plane_mm,
    plane_axes,
    share_inside,
    signed_area,
)

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
DIRECTIONS = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


def unit(direction: tuple[float, ...]) -> FloatArray:
    """Of length 1."""
    return np.array(direction) / np.linalg.norm(direction)


@given(DIRECTIONS)
def test_a_square_keeps_its_area_in_any_plane(direction: tuple[float, ...]) -> None:
    """Oblique scans too: the plane's own axes, and the normal that is found from the points."""
    normal = unit(direction)
    axes = plane_axes(normal)
    points = SQUARE @ axes.T + 100 * normal

    vector = area_vector(points)

    assert np.linalg.norm(vector) == pytest.approx(16)
    assert abs(vector @ normal) == pytest.approx(16)
    assert abs(signed_area(points @ axes)) == pytest.approx(16)
    assert off_own_plane_mm(points) == pytest.approx(0, abs=1e-6)
    assert axes.T @ axes == pytest.approx(np.eye(2))


def test_points_off_their_plane_are_measured() -> None:
    """Half of them up, half of them down by as much."""
    points = np.column_stack([np.tile(SQUARE, (2, 1)), np.repeat([0.3, -0.3], 4)])

    assert off_own_plane_mm(points) == pytest.approx(0.3)


def test_the_direction_gives_the_sign_of_an_area() -> None:
    """As the shoelace formula has it, wherever the ring lies."""
    assert signed_area(SQUARE + 1e6) == pytest.approx(16)
    assert signed_area(SQUARE[::-1]) == pytest.approx(-16)


def test_a_keyhole_is_not_ambiguous() -> None:
    """Its bridge is run once each way: both rules of filling agree."""
    hole = np.array([[1.0, 1.0], [1.0, 3.0], [3.0, 3.0], [3.0, 1.0]])
    keyhole = np.vstack([SQUARE, SQUARE[:1], hole, hole[:1]])

    assert ambiguous_area(keyhole) == 0
    assert ambiguous_area(keyhole[::-1]) == 0


@pytest.mark.parametrize(
    ("ring", "area"),
    [
        ([[0, 0], [4, 4], [4, 0], [0, 4]], 4.0),  # a bow tie: one half runs the other way
        ([[0, 0], [8, 0], [8, 4], [4, 4], [4, 0], [0, 0], [0, 4], [8, 4]], None),
        ([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0], [4, 0], [4, 4], [0, 4]], 16.0),  # twice around
        ([[0, 0], [4, 0], [2, 0]], 0.0),  # no area at all
    ],
)
def test_lines_that_cross_are_ambiguous(ring: list[list[float]], area: float | None) -> None:
    """By as much as the rules of filling disagree."""
    found = ambiguous_area(np.array(ring, float))

    if area is None:
        assert found > 0
    else:
        assert found == pytest.approx(area, rel=0.02)


def test_points_are_inside_by_even_odd() -> None:
    """In a keyhole's hole they are outside."""
    hole = np.array([[1.0, 1.0], [1.0, 3.0], [3.0, 3.0], [3.0, 1.0]])
    keyhole = np.vstack([SQUARE, SQUARE[:1], hole, hole[:1]])
    points = np.array([[0.5, 2.0], [2.0, 2.0], [3.5, 0.5], [9.0, 9.0]])

    assert share_inside(points, SQUARE) == 0.75
    assert share_inside(points, keyhole) == 0.5
