"""Cuts through contours, at the resolution of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.contours import Contour
from contouring.phantom_scan import even_offsets
from contouring.preview_cuts import Cut, find_cut
from tests.contouring.grids import grid_of
from tests.phantoms import SMALL_SCAN

# Ten slices of 20 x 20 pixels of a millimetre, 4 mm apart.
GRID = grid_of(
    replace(
        SMALL_SCAN,
        rows=20,
        columns=20,
        row_spacing_mm=1.0,
        column_spacing_mm=1.0,
        slice_offsets_mm=even_offsets(10, 4.0),
    )
)
WHOLE = (slice(0, 10), slice(0, 20), slice(0, 20))


def box(index: int, low_mm: float, high_mm: float) -> Contour:
    """A square on a slice, by the distance from the first pixel's centre along both axes."""
    corners = np.array([[low_mm, low_mm], [low_mm, high_mm], [high_mm, high_mm], [high_mm, low_mm]])
    return Contour(index, GRID.to_patient(index, corners[:, 0], corners[:, 1]))


def test_a_slice_is_cut_at_the_pictures_resolution() -> None:
    """A square of 5 mm has 50 pixels a side where a millimetre has ten."""
    cut = find_cut([box(3, 4.5, 9.5)], GRID, Cut(0, 3, WHOLE, (200, 200)))

    assert np.array_equal(np.argwhere(cut).min(axis=0), [50, 50])
    assert np.array_equal(np.argwhere(cut).max(axis=0), [99, 99])
    assert cut.sum() == 50 * 50


@pytest.mark.parametrize("axis", [1, 2])
def test_a_part_ends_halfway_to_the_slice_that_has_none_of_it(axis: int) -> None:
    """Each part by itself: the gap between two of them stays open, one slice alone is seen."""
    contours = [box(1, 4.5, 9.5), box(4, 4.5, 9.5), box(5, 4.5, 9.5)]

    cut = find_cut(contours, GRID, Cut(axis, 7, WHOLE, (400, 200)))

    middle = np.flatnonzero(cut[:, 75])
    assert middle.tolist() == [*range(40, 80), *range(160, 240)]
    assert np.flatnonzero(cut[200]).tolist() == [*range(50, 100)]


def test_between_slices_a_border_is_between_its_places() -> None:
    """Where voxels would make a step, a line leads from one to the other."""
    contours = [box(4, 4.5, 9.5), box(5, 4.5, 13.5)]

    cut = find_cut(contours, GRID, Cut(1, 7, WHOLE, (400, 200)))

    rights = [int(np.flatnonzero(cut[row]).max()) for row in range(180, 220)]
    assert rights == sorted(rights)
    assert max(np.diff(rights)) <= 2
    assert rights[20] == pytest.approx(119, abs=2)


def test_only_what_is_shown_is_cut() -> None:
    """A picture shows the structures' surroundings, not all of a scan."""
    shown = (slice(2, 6), slice(5, 15), slice(0, 20))

    axial = find_cut([box(3, 4.5, 9.5)], GRID, Cut(0, 3, shown, (100, 200)))
    coronal = find_cut([box(3, 4.5, 9.5)], GRID, Cut(1, 7, shown, (40, 200)))
    beside = find_cut([box(3, 4.5, 9.5)], GRID, Cut(1, 12, shown, (40, 200)))

    assert np.flatnonzero(axial.any(axis=1)).tolist() == [*range(0, 50)]
    assert np.flatnonzero(coronal.any(axis=1)).tolist() == [*range(10, 20)]
    assert not beside.any()
