"""What one slice says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from contouring.slice_headers import name_place


@pytest.mark.parametrize(
    ("normal", "place"),
    [
        ((0, 0, 1), "z = -112.5"),
        ((0, 0, -1), "z = -112.5"),
        ((0, 1, 0), "y = 0"),
        ((1, 0, 0), "x = 12.35"),
        ((0, 0.6, 0.8), "(12.35, 0, -112.5)"),
    ],
    ids=["axial", "feet first", "coronal", "sagittal", "oblique"],
)
def test_a_slice_is_told_by_the_coordinate_that_its_neighbours_do_not_share(
    normal: tuple[float, ...], place: str
) -> None:
    """On a coronal stack z is the same everywhere and says nothing."""
    position_mm = np.array([12.346, -0.001, -112.5])

    assert name_place(position_mm, np.array(normal, float)) == place
