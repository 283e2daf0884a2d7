"""Which parts of a field belong to a structure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from contouring.masks import StructureField, select_structures
from contouring.phantom_scan import Scan
from contouring.structures import Structure
from tests.contouring.grids import (
    SCANS_AND_OBLIQUE,
    UNEVEN_SCAN,
    FloatArray,
    grid_of,
    name_of,
    voxels_mm,
)
from tests.contouring.predictors import fields_of

BIG, MIDDLE, SMALL = ((-8.0, -5.0, -6.0), 5.5), ((7.0, 6.0, 5.0), 4.5), ((9.0, -8.0, 8.0), 3.2)


def organ(components: int = 1, label: int = 1) -> Structure:
    """A structure without looks."""
    return Structure(label, f"Organ{label}", (255, 0, 0), components)


def balls(scan: Scan, *balls_mm: tuple[tuple[float, float, float], float]) -> FloatArray:
    """Signed distance to balls given by offset from the scan's centre and radius."""
    points = voxels_mm(scan) - np.array(scan.centre_mm)
    return np.max(
        [radius - np.linalg.norm(points - offset, axis=-1) for offset, radius in balls_mm], axis=0
    )


def select(scan: Scan, field: FloatArray, components: int) -> StructureField:
    """The one structure of a field against a background of zero."""
    fields = fields_of(grid_of(scan), [np.zeros_like(field), field])
    (selected,) = select_structures(fields, (organ(components),))
    return selected


@pytest.mark.parametrize("components", [1, 2, 3, 4])
def test_the_largest_components_are_kept_and_the_others_vanish(components: int) -> None:
    """A false crumb far away must not be contoured; both lungs must."""
    selected = select(UNEVEN_SCAN, balls(UNEVEN_SCAN, BIG, MIDDLE, SMALL), components)

    kept = balls(UNEVEN_SCAN, *(BIG, MIDDLE, SMALL)[:components])
    assert ndimage.label(selected.field > 0)[1] == min(components, 3)
    assert np.count_nonzero(selected.field > 0) == np.count_nonzero(kept > 0)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_what_was_left_out_is_counted(scan: Scan) -> None:
    """People are told of parts that they will not see; slices stand for their own heights."""
    field = balls(scan, BIG, MIDDLE, SMALL)

    one, two, all_ = (select(scan, field, components) for components in (1, 2, 3))

    in_view = {ball: float(volumes_cm3(scan, balls(scan, ball) > 0)) for ball in (MIDDLE, SMALL)}
    assert (one.islands, two.islands, all_.islands) == (3, 3, 3)
    assert one.dropped_cm3 == pytest.approx(sum(in_view.values()), rel=1e-6)
    assert two.dropped_cm3 == pytest.approx(min(in_view.values()), rel=1e-6)
    assert all_.dropped_cm3 == 0


def volumes_cm3(scan: Scan, mask: np.ndarray) -> float:
    """Voxels times the height of their slice."""
    area_mm2 = scan.row_spacing_mm * scan.column_spacing_mm
    heights_mm = grid_of(scan).slice_heights_mm
    return float(mask.sum(axis=(1, 2)) @ heights_mm * area_mm2 / 1e3)


def test_a_dropped_part_leaves_the_kept_border_as_it_was() -> None:
    """Turning crumbs inside out must not touch the values that the kept contour runs between."""
    field = balls(UNEVEN_SCAN, BIG, MIDDLE)

    alone = select(UNEVEN_SCAN, balls(UNEVEN_SCAN, BIG), 1)
    of_two = select(UNEVEN_SCAN, field, 1)

    near = tuple(slice(0, n) for n in alone.field.shape)
    border = np.abs(alone.field) < 3
    assert np.array_equal(of_two.field[near][border], alone.field[border])


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_the_box_of_a_structure_keeps_its_place_on_the_ct(scan: Scan) -> None:
    """A crop along a flipped axis counts from the other end."""
    field = balls(scan, MIDDLE)

    selected = select(scan, field, 1)

    grid = grid_of(scan)
    along_ct = selected.lattice.to_ct_axes(selected.field)
    first = [
        int(np.argmin(np.abs(own - samples[0])))
        for own, samples in zip(grid.axes_mm, selected.lattice.axes_mm, strict=True)
    ]
    there = tuple(slice(f, f + n) for f, n in zip(first, along_ct.shape, strict=True))
    assert along_ct.size < field.size / 2
    assert along_ct == pytest.approx(field[there], abs=1e-5)
    assert np.count_nonzero(along_ct > 0) == np.count_nonzero(field > 0)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_the_zero_surface_lies_inside_the_box(scan: Scan) -> None:
    """Else a contour would end at the box instead of at the organ."""
    selected = select(scan, balls(scan, SMALL), 1)

    inside = selected.lattice.to_ct_axes(selected.field) > 0

    own = grid_of(scan).axes_mm
    for axis in range(3):
        ends = np.take(inside, [0, -1], axis=axis).any(axis=tuple({0, 1, 2} - {axis}))
        samples = selected.lattice.axes_mm[axis]
        at_edge = samples[0] == own[axis][0], samples[-1] == own[axis][-1]
        assert not any(end and not edge for end, edge in zip(ends, at_edge, strict=True))


def test_neighbours_are_selected_without_overlap() -> None:
    """A voxel belongs to one organ."""
    left, right = balls(UNEVEN_SCAN, ((-4.0, 0, 0), 7.0)), balls(UNEVEN_SCAN, ((4.0, 0, 0), 7.0))
    fields = fields_of(grid_of(UNEVEN_SCAN), [np.zeros_like(left), left, right])

    selected = select_structures(fields, (organ(label=1), organ(label=2)))

    volumes = [np.count_nonzero(one.field > 0) for one in selected]
    union = np.count_nonzero((left > 0) | (right > 0))
    ties = np.count_nonzero((left > 0) & (left == right))
    assert sum(volumes) == union - ties


def test_a_structure_that_wins_nowhere_is_left_out() -> None:
    """It is reported as not found, not drawn as nothing."""
    field = balls(UNEVEN_SCAN, BIG)
    fields = fields_of(grid_of(UNEVEN_SCAN), [np.zeros_like(field), field, field - 1.0])

    selected = select_structures(fields, (organ(label=1), organ(label=2)))

    assert [one.structure.label for one in selected] == [1]
