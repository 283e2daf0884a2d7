"""Boxes of the CT's own voxels."""

from __future__ import annotations

import numpy as np
import pytest

from contouring.lattice import BoxMm
from contouring.phantom_scan import Scan
from contouring.structures import Structure
from contouring.voxel_boxes import VoxelBox, box_around, field_in_box
from tests.contouring.analytic_fields import analytic_field
from tests.contouring.grids import SCANS_AND_OBLIQUE, UNEVEN_SCAN, grid_of, name_of


def test_a_box_holds_the_structure_s_own_and_its_margin_within_the_scan() -> None:
    """Two voxels more, so that the border lies inside; never more than the scan has."""
    grid = grid_of(UNEVEN_SCAN)
    field = analytic_field(
        UNEVEN_SCAN, lambda x, y, z: x, box=BoxMm((8.0, 10.2, 12.0), (12.0, 15.3, 18.0))
    )

    box = box_around(field, grid, 4.0)

    slices, rows, columns = box.axes_mm(grid)
    assert slices[0] <= 8.0 - 4.0 < 12.0 + 4.0 <= slices[-1]
    assert rows[0] <= 10.2 - 4.0 < 15.3 + 4.0 <= rows[-1]
    assert columns[0] <= 12.0 - 4.0 < 18.0 + 4.0 <= columns[-1]
    assert box_around(field, grid, 500.0) == VoxelBox((0, 0, 0), grid.shape_zyx)


def test_two_boxes_are_joined_to_the_smallest_around_both() -> None:
    """A union needs room for both."""
    joined = VoxelBox((1, 5, 2), (4, 9, 8)).joined(VoxelBox((0, 6, 7), (3, 12, 8)))

    assert joined == VoxelBox((0, 5, 2), (4, 12, 8))


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_a_field_put_into_a_box_is_read_from_it_again(scan: Scan) -> None:
    """In every patient position: canonical arrays are turned and flipped."""
    grid = grid_of(scan)
    box = VoxelBox((2, 3, 4), (8, 17, 20))
    values = np.random.default_rng(3).normal(size=(6, 14, 16)).astype(np.float32)

    field = box.field_of(Structure(0, "Made", (0, 0, 0)), values, grid)

    assert field.lattice.shape_zyx == field.field.shape
    assert field_in_box(field, grid, box) == pytest.approx(values, abs=2e-3)
