"""How far two structure sets differ, on bodies whose difference is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from contouring.comparison import compare_masks, compare_structure_sets
from contouring.grid import Grid
from tests.contouring.structure_sets import SHAPES, release

SPACING_MM = (3.0, 1.0, 1.0)


def build_grid(offsets_mm: NDArray[np.float64]) -> Grid:
    """60 x 60 pixels of 1 mm on slices at these places."""
    positions = np.zeros((len(offsets_mm), 3))
    positions[:, 2] = offsets_mm
    directions = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    return Grid(positions, *directions, (1.0, 1.0), 60, 60)


GRID = build_grid(np.arange(20) * 3.0)


def draw_box(first: tuple[int, int, int], last: tuple[int, int, int]) -> NDArray[np.bool_]:
    """All voxels from one corner to before the other."""
    mask = np.zeros((20, 60, 60), bool)
    mask[tuple(slice(low, high) for low, high in zip(first, last, strict=True))] = True
    return mask


BOX = draw_box((5, 20, 20), (15, 40, 40))


def test_the_same_structure_does_not_differ() -> None:
    """In any measure."""
    same = compare_masks("Box", BOX, BOX, GRID)

    assert (same.dice, same.surface_dice, same.furthest_mm) == (1.0, 1.0, 0.0)
    assert same.volume_cm3 == same.other_volume_cm3 == pytest.approx(10 * 3 * 20 * 20 / 1000)


def test_a_shift_is_told_in_millimetres() -> None:
    """Five millimetres across the slices: two sides are further away than the tolerance."""
    shifted = compare_masks("Box", BOX, np.roll(BOX, 5, axis=1), GRID)

    assert shifted.furthest_mm == 5.0
    assert shifted.dice == pytest.approx(15 / 20)
    assert shifted.surface_dice is not None
    assert 0 < shifted.surface_dice < 1


def test_a_shift_within_the_tolerance_is_no_difference_of_the_surface() -> None:
    """One millimetre of two."""
    shifted = compare_masks("Box", BOX, np.roll(BOX, 1, axis=2), GRID)

    assert shifted.surface_dice == 1.0
    assert shifted.dice is not None
    assert shifted.dice < 1


def test_slices_that_lie_unevenly_count_as_they_lie() -> None:
    """A gap of nine millimetres makes the slices beside it thicker and a shift longer."""
    offsets_mm = np.arange(20) * 3.0
    offsets_mm[10:] += 6.0
    grid = build_grid(offsets_mm)
    slab = draw_box((9, 20, 20), (10, 40, 40))

    difference = compare_masks("Slab", slab, np.roll(slab, 1, axis=0), grid)

    assert difference.furthest_mm == 9.0
    assert difference.volume_cm3 == pytest.approx((1.5 + 4.5) * 20 * 20 / 1000)


@pytest.mark.parametrize("is_first", [True, False])
def test_what_only_one_of_them_has_has_no_distance(is_first: bool) -> None:
    """Its volume is told."""
    nothing = np.zeros_like(BOX)
    masks = (BOX, nothing) if is_first else (nothing, BOX)

    alone = compare_masks("Box", *masks, GRID)

    assert (alone.dice, alone.surface_dice, alone.furthest_mm) == (None, None, None)
    assert {alone.volume_cm3, alone.other_volume_cm3} == {0.0, 12.0}


def test_written_structure_sets_are_compared_by_name() -> None:
    """A structure that one of them lacks is told of, and those of both are measured."""
    whole = release()
    without_shell = release({name: SHAPES[name] for name in SHAPES if name != "Shell"})

    differences = {
        one.name: one
        for one in compare_structure_sets(whole.content, without_shell.content, whole.series)
    }

    assert set(differences) == set(SHAPES)
    assert differences["Gland_L"].surface_dice == 1.0
    assert differences["Gland_L"].volume_cm3 == pytest.approx(4 / 3 * np.pi * 1.1**3, rel=0.03)
    assert differences["Shell"].surface_dice is None
