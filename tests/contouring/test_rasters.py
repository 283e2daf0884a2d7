"""The judge of written contours: pixel centres, by the even-odd rule."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from contouring.rasters import fill_even_odd
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
