"""Fields at voxel centres: the definition, computed without the code that draws contours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.field_samples import sample_planes
from contouring.field_voxels import read_field, read_places
from contouring.lattice import Lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import Ellipsoid, rotation
from contouring.structures import Structure
from tests.contouring.grids import (
    SCANS_AND_OBLIQUE,
    UNEVEN_SCAN,
    FloatArray,
    grid_of,
    name_of,
    voxels_mm,
)
from tests.contouring.structure_sets import field_of

ORGAN = Structure(1, "Organ", (255, 0, 0))
x, y, z = UNEVEN_SCAN.centre_mm
# Askew, off the middle, and larger than the scan along its longest side.
SHAPE = Ellipsoid((x + 2.1, y - 1.3, z + 1.2), (10.0, 8.0, 6.0), rotation((1.0, -2.0, 0.5), 35.0))


def whole(selected: StructureField, scan: Scan) -> np.ndarray:
    """(slices, rows, columns): all voxels of the scan."""
    grid = grid_of(scan)
    voxels = read_field(selected, grid)
    every = tuple(slice(0, side) for side in grid.shape_zyx)
    nothing = np.zeros(grid.shape_zyx, bool)
    return voxels.within((every[0], every[1], every[2]), nothing)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_on_the_ct_s_own_voxels_the_field_itself_decides(scan: Scan) -> None:
    """In every patient position: a flipped axis would turn the ellipsoid over."""
    points: FloatArray = voxels_mm(scan)
    truth = SHAPE.field_mm(*np.moveaxis(points, -1, 0)) > 0

    found = whole(field_of(SHAPE, ORGAN, scan), scan)

    assert np.array_equal(found, truth)
    assert found.any()


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_between_coarse_samples_it_is_what_is_traced(scan: Scan) -> None:
    """Two computations of one definition: a difference would be a fault of either."""
    grid = grid_of(scan)
    selected = field_of(SHAPE, ORGAN, scan, spacing_mm=2.7)
    drawn = np.stack(list(sample_planes(selected, grid.axes_mm))) > 0

    found = whole(selected, scan)

    assert np.array_equal(found, drawn)
    assert trace_outlines(selected, grid).outlines


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_parabola_between_samples_is_met(axis: int) -> None:
    """Chords between the samples would cut it short by up to half a millimetre."""
    scan = replace(UNEVEN_SCAN, slice_offsets_mm=tuple(0.5 * k for k in range(-30, 31)))
    grid = grid_of(scan)
    samples = tuple(np.arange(0.2, along[-1], 3.7) for along in grid.axes_mm)
    middle_mm = samples[axis].mean() + 0.4
    parabola = np.moveaxis(np.ones([len(s) for s in samples]), axis, -1)
    parabola = np.moveaxis(parabola * (30.0 - (samples[axis] - middle_mm) ** 2), -1, axis)
    lattice = Lattice((samples[0], samples[1], samples[2]), (0, 1, 2), (False, False, False))

    found = read_field(StructureField(ORGAN, parabola.astype(np.float32), lattice), grid)

    truth = 30.0 - (grid.axes_mm[axis][found.box[axis]] - middle_mm) ** 2 > 0
    along = found.inside.all(axis=tuple({0, 1, 2} - {axis}))
    assert np.array_equal(along, truth)
    assert np.array_equal(along, found.inside.any(axis=tuple({0, 1, 2} - {axis})))


def test_a_voxel_on_the_border_itself_belongs_to_whoever_takes_it() -> None:
    """Where the field is exactly zero the line runs through the centre: no side is wrong."""
    grid = grid_of(UNEVEN_SCAN)
    lattice = Lattice(grid.axes_mm, (0, 1, 2), (False, False, False))
    values = np.full(grid.shape_zyx, -1.0, np.float32)
    values[2, 3:8, 3:8] = 0.0  # a plateau: only its rim around what is inside is border
    values[2, 5, 5] = 1.0
    every = tuple(slice(0, side) for side in grid.shape_zyx)

    found = read_field(StructureField(ORGAN, values, lattice), grid)
    taken = found.within((every[0], every[1], every[2]), np.ones(grid.shape_zyx, bool))

    assert found.inside.sum() == 1
    assert taken.sum() == 5
    assert not taken[:2].any()
    assert not taken[3:].any()


def test_overshoot_alone_makes_no_border() -> None:
    """Between samples of one sign the field keeps that sign."""
    grid = grid_of(UNEVEN_SCAN)
    axes = tuple(np.linspace(axis[0], axis[-1], 6) for axis in grid.axes_mm)
    lattice = Lattice((axes[0], axes[1], axes[2]), (0, 1, 2), (False, False, False))
    steep = np.full((6, 6, 6), -0.01, np.float32)
    steep[:, 0] = steep[:, 5] = -50.0

    found = whole(StructureField(ORGAN, steep, lattice), UNEVEN_SCAN)

    assert not found.any()
    assert whole(StructureField(ORGAN, -steep, lattice), UNEVEN_SCAN).all()


def test_a_single_sample_holds_for_the_voxel_on_it() -> None:
    """A lattice of one plane, row or column."""
    grid = grid_of(UNEVEN_SCAN)
    places = (grid.axes_mm[0][3:4], grid.axes_mm[1][5:6], grid.axes_mm[2][7:8])
    lattice = Lattice(places, (0, 1, 2), (False, False, False))

    found = whole(StructureField(ORGAN, np.ones((1, 1, 1), np.float32), lattice), UNEVEN_SCAN)

    assert [tuple(place) for place in np.argwhere(found)] == [(3, 5, 7)]


def test_a_lattice_between_the_voxels_reaches_none() -> None:
    """Nothing to compare, and no failure."""
    grid = grid_of(UNEVEN_SCAN)
    places = tuple(axis[:1] + 0.3 for axis in grid.axes_mm)
    lattice = Lattice((places[0], places[1], places[2]), (0, 1, 2), (False, False, False))

    voxels = read_field(StructureField(ORGAN, np.ones((1, 1, 1), np.float32), lattice), grid)

    assert voxels.inside.size == 0


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_between_voxels_it_is_what_is_traced(scan: Scan) -> None:
    """At any place of a slice, also where no sample reaches."""
    grid = grid_of(scan)
    selected = field_of(SHAPE, ORGAN, scan, spacing_mm=2.7)
    rows, columns = np.arange(-1.0, grid.rows, 0.37), np.arange(-1.0, grid.columns, 0.41)
    row_mm, column_mm = grid.pixel_spacing_mm
    places_mm = (grid.axes_mm[0], rows * row_mm, columns * column_mm)
    drawn = np.stack(list(sample_planes(selected, places_mm))) > 0

    found = np.stack([read_places(selected, grid, k, rows, columns) for k in range(len(drawn))])

    assert np.array_equal(found, drawn)
    assert found.any()
