"""A grid of odd scans: few slices, whole numbers, words for people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.grid import Grid
from tests.contouring.grids import UNEVEN_SCAN, grid_of


def test_two_slices_are_as_far_apart_as_they_are() -> None:
    """One gap is a median too."""
    grid = grid_of(replace(UNEVEN_SCAN, slice_offsets_mm=(0.0, 4.5)))

    assert grid.spacing_zyx_mm == pytest.approx((4.5, 1.7, 1.2))


def test_positions_in_whole_millimetres_give_coordinates_that_are_not_whole_numbers() -> None:
    """A header may say 2 and 1; integer arithmetic would cut a contour's fractions off."""
    positions = np.array([[0, 0, 0], [0, 0, 3]])
    grid = Grid(positions, np.array([1, 0, 0]), np.array([0, 1, 0]), (2, 1), 4, 4)

    points = grid.to_patient(1, np.array([2]), np.array([3]))

    assert [axis.dtype for axis in grid.axes_mm] == [np.float64] * 3
    assert points.dtype == np.float64
    assert points.tolist() == [[3.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("position", "words"),
    [("HFS", "slice 3 of 10, z = 231.5 mm"), ("FFP", "slice 3 of 10, z = 248.5 mm")],
)
def test_a_slice_is_named_by_its_number_and_its_place(position: str, words: str) -> None:
    """People count from 1 and look for the millimetres that their viewer shows."""
    grid = grid_of(replace(UNEVEN_SCAN, position=position))

    assert grid.slice_in_words(2) == words


def test_a_sagittal_slice_is_named_by_its_own_axis() -> None:
    """Its z is that of its corner, the same in every slice."""
    positions = np.array([[-7.25, 5.0, 90.0], [-4.0, 5.0, 90.0]])
    grid = Grid(positions, np.array([0.0, 1, 0]), np.array([0, 0, -1.0]), (1.0, 1.0), 4, 4)

    assert grid.slice_in_words(1) == "slice 2 of 2, x = -4.0 mm"
