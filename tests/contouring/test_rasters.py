"""The judge of written contours: pixel centres, by the even-odd rule."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from contouring.rasters import count_turns, fill_even_odd, fill_rings
from tests.contouring.rings import is_inside

CORNERS = st.lists(
    st.tuples(st.floats(-3, 12), st.floats(-3, 14)), min_size=3, max_size=12, unique=True
)


@given(CORNERS)
def test_a_pixel_is_filled_when_its_centre_lies_inside(
    corners: list[tuple[float, float]],
) -> None:
    """Also for lines that cross themselves or leave the image."""
    ring = np.array(corners)
    places = np.array([(r, c) for r in range(9) for c in range(11)], float)

    filled = fill_even_odd(ring[:, 0], ring[:, 1], (9, 11))

    # The reference follows a ray along the first axis, the code one along the second.
    border = shapely.distance(shapely.points(places), shapely.LinearRing(ring))
    clear = border > 1e-6  # on the border the rule says nothing
    assert np.array_equal(filled.ravel()[clear], is_inside([ring], places)[clear])


def test_a_square_from_centre_to_centre_is_filled_once_over_when_tiled() -> None:
    """Neighbours that share a border must not both have its pixels, nor neither."""
    square = np.array([(1.0, 1.0), (1.0, 4.0), (4.0, 4.0), (4.0, 1.0)])

    tiles = [
        fill_even_odd(square[:, 0] + down, square[:, 1] + across, (8, 8)).astype(int)
        for down in (0, 3)
        for across in (0, 3)
    ]

    assert sum(tiles).max() == 1
    assert sum(tiles).sum() == 36


def test_rings_fill_their_own_slices_and_combine_by_even_odd() -> None:
    """A hole is a second ring on the same slice; other slices stay as they are."""
    square = np.array([(0.5, 0.5), (0.5, 6.5), (6.5, 6.5), (6.5, 0.5)])
    hole = np.array([(2.5, 2.5), (2.5, 4.5), (4.5, 4.5), (4.5, 2.5)])
    rings = [(ring[:, 0], ring[:, 1]) for ring in (square, hole, hole)]

    filled = fill_rings([0, 0, 2], rings, (3, 8, 8))

    assert filled.sum(axis=(1, 2)).tolist() == [36 - 4, 0, 4]
    assert not filled[0, 3:5, 3:5].any()


def test_no_rings_fill_nothing() -> None:
    """A structure without contours is an empty mask."""
    assert not fill_rings([], [], (2, 3, 4)).any()


def test_turns_tell_the_direction() -> None:
    """A ring that runs twice, and one that runs back, count as such."""
    square = np.array([(0.5, 0.5), (0.5, 3.5), (3.5, 3.5), (3.5, 0.5)])
    twice = np.vstack([square, square])

    turns, lines = count_turns([0], [(twice[:, 0], twice[:, 1])], (1, 5, 5))
    back, _ = count_turns([0], [(square[::-1, 0], square[::-1, 1])], (1, 5, 5))

    assert abs(turns[0, 2, 2]) == 2
    assert lines[0, 2, 2] % 2 == 0
    assert back[0, 2, 2] == -turns[0, 2, 2] // 2
