"""A network that wavers on a coarse grid: threads and notches thinner than any line drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.lattice import Lattice
from contouring.masks import StructureField
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import Sphere
from contouring.slivers import measure_difference_mm2
from contouring.structures import Structure
from tests.contouring.grids import FloatArray, grid_of
from tests.contouring.release_spoilers import _every_point
from tests.contouring.structure_sets import release, series_of, write

COARSE = Scan(
    rows=20,
    columns=18,
    row_spacing_mm=4.2,
    column_spacing_mm=3.9,
    slice_offsets_mm=even_offsets(12, 2.5),
)
FINE = replace(COARSE, row_spacing_mm=1.0, column_spacing_mm=1.0)
ORGAN = Structure(1, "Organ", (255, 0, 0))
CENTRE = (5, 10, 9)


def own_field(values: FloatArray, scan: Scan) -> StructureField:
    """On the scan's own voxels, (slices, rows, columns)."""
    lattice = Lattice(grid_of(scan).axes_mm, (0, 1, 2), (False, False, False))
    return StructureField(ORGAN, values.astype(np.float32), lattice)


def waver(seed: int) -> FloatArray:
    """A block of voxels in which every other row is all but undecided, surely nothing around it."""
    chance = np.random.default_rng(seed)
    shape = grid_of(COARSE).shape_zyx
    values = chance.normal(-11.0, 1.5, shape)
    inside = (slice(2, 10), slice(5, 14), slice(5, 13))
    block = chance.normal(3.0, 1.5, values[inside].shape)
    block[:, :, ::2] = chance.normal(0.0, 0.1, block[:, :, ::2].shape)
    values[inside] = block
    return values


@pytest.mark.parametrize("seed", range(40))
def test_a_field_that_wavers_leaves(seed: int) -> None:
    """Four of 33 patients got no contours for one such voxel of 700."""
    written = write({"Organ": own_field(waver(seed), COARSE)}, series_of(COARSE))

    assert written.check().breaches == ()


@pytest.mark.parametrize("radius_mm", [6.0, 18.0])
def test_lines_beside_their_field_do_not_leave_for_it(radius_mm: float) -> None:
    """By a millimetre on pixels of four: a crescent is thin, but no sliver."""
    wide = replace(COARSE, slice_offsets_mm=even_offsets(20, 2.5))
    good = release({"Organ": Sphere(wide.centre_mm, radius_mm)}, wide)

    report = good.spoiled(_every_point(lambda p: p + np.array([1.0, 0, 0]))).check()

    assert good.check().breaches == ()
    assert any("differs from its field" in breach for breach in report.breaches)


def ring_around(half_row: float, half_column: float) -> FloatArray:
    """(4, 2) row and column indices of a rectangle around the centre voxel."""
    corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    return corners * (half_row, half_column) + CENTRE[1:]


@pytest.mark.parametrize("scan", [COARSE, FINE], ids=["coarse", "fine"])
@pytest.mark.parametrize(("drawn_mm", "area_mm2"), [(0.0, 0.99), (0.15, 0.48)])
def test_the_area_of_a_difference_is_measured(scan: Scan, drawn_mm: float, area_mm2: float) -> None:
    """Drawn is 0.9 x 1.1 mm of a slice on which the field has nothing."""
    nothing = own_field(np.full(grid_of(scan).shape_zyx, -1.0), scan)
    ring = ring_around(0.45 / scan.row_spacing_mm, 0.55 / scan.column_spacing_mm)

    measured = measure_difference_mm2(CENTRE, [ring], nothing, grid_of(scan), drawn_mm)

    assert measured == pytest.approx(area_mm2, abs=0.12)


def test_a_difference_that_goes_on_is_no_sliver() -> None:
    """A band along a border that was moved is thin, too."""
    nothing = own_field(np.full(grid_of(COARSE).shape_zyx, -1.0), COARSE)
    band = ring_around(3.0, 0.1)

    measured = measure_difference_mm2(CENTRE, [band], nothing, grid_of(COARSE), 0.15)

    assert measured == float("inf")
