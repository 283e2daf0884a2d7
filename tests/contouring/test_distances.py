"""Signed distances to a field's zero surface, near the levels that matter and far from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.distances import (
    FAR_MM,
    ZeroSurface,
    find_surface,
    fine_axes,
    signed_distances,
    smooth_near_zero,
)
from contouring.field_samples import sample_planes
from contouring.lattice import BoxMm
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import Ellipsoid, Sphere, rotation
from tests.contouring.analytic_fields import analytic_field
from tests.contouring.grids import grid_of, voxels_mm

SCAN = Scan(
    rows=40,
    columns=44,
    row_spacing_mm=1.2,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(15, 3.0),
    centre_mm=(10.0, 20.0, -30.0),
)
BALL = Sphere((10.7, 19.1, -29.2), 11.0)


def in_patient(points_mm: np.ndarray, scan: Scan) -> np.ndarray:
    """Places along the CT's axes as places in the patient."""
    grid = grid_of(scan)
    return np.asarray(grid.positions_mm[0] + points_mm @ grid.axis_directions)


@pytest.mark.parametrize("smallest_mm", [0.5, 3.0, 20.0])
def test_the_cloud_lies_on_the_surface_and_leaves_no_hole(smallest_mm: float) -> None:
    """Every place of the ball's surface has a point of the cloud near by."""
    surface = find_surface(analytic_field(SCAN, BALL.field_mm), grid_of(SCAN), smallest_mm)

    points = in_patient(surface.points_mm, SCAN)
    assert np.abs(BALL.field_mm(*points.T)).max() < 0.08
    directions = np.random.default_rng(1).normal(size=(2000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    grid = grid_of(SCAN)
    places = np.array(BALL.centre_mm) + 11.0 * directions
    along = (places - grid.positions_mm[0]) @ grid.axis_directions.T
    assert surface.distance_mm(along).max() < 0.9


def test_smaller_distances_ask_for_more_points() -> None:
    """The error of a nearest point is its spacing squared over eight times the distance."""
    field, grid = analytic_field(SCAN, BALL.field_mm), grid_of(SCAN)

    counts = [len(find_surface(field, grid, mm).points_mm) for mm in (1.0, 3.0, 5.0, 50.0)]

    assert counts[0] > counts[1] > counts[2] == counts[3]


def test_there_is_no_surface_where_the_scan_cuts_a_structure() -> None:
    """But there is one where the network's box cut it."""
    grid = grid_of(SCAN)
    full = analytic_field(SCAN, lambda x, y, z: 2.0 + 0 * x)
    box = BoxMm((0.0, 0.0, 10.0), (42.0, 46.8, 20.0))
    boxed = analytic_field(SCAN, lambda x, y, z: 2.0 + 0 * x, box=box)

    assert len(find_surface(full, grid, 1.0).points_mm) == 0
    cut = find_surface(boxed, grid, 1.0).points_mm
    assert set(np.round(cut[:, 2], 2)) == {10.0, 20.0}


def test_without_a_surface_everything_is_far() -> None:
    """Rather than an empty tree's error."""
    nowhere = ZeroSurface(np.empty((0, 3)))

    assert nowhere.distance_mm(np.zeros((2, 3))).tolist() == [FAR_MM, FAR_MM]


@given(
    level_mm=st.floats(-12.0, 8.0),
    reach_mm=st.floats(0.5, 6.0),
    uneven=st.booleans(),
    turn=st.floats(-40.0, 40.0),
)
def test_samples_near_a_level_are_measured_and_all_others_on_its_right_side(
    level_mm: float, reach_mm: float, uneven: bool, turn: float
) -> None:
    """Nothing that matters may be skipped because a block's middle was looked at only."""
    offsets = (-20.0, -19.0, -15.0, -9.0, -3.0, -2.0, 0.0, 5.0, 6.5, 12.0, 18.0, 24.0)
    scan = replace(
        SCAN,
        slice_offsets_mm=offsets if uneven else SCAN.slice_offsets_mm,
        obliqueness=rotation((1.0, 2.0, -1.0), turn),
    )
    grid = grid_of(scan)
    directions = np.random.default_rng(2).normal(size=(20_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = np.array(BALL.centre_mm) + 11.0 * directions
    surface = ZeroSurface((points - grid.positions_mm[0]) @ grid.axis_directions.T)
    true_mm = BALL.field_mm(*np.moveaxis(voxels_mm(scan), -1, 0))

    signed = signed_distances(surface, true_mm > 0, grid.axes_mm, [level_mm], reach_mm)

    near = np.abs(true_mm - level_mm) < reach_mm - 0.6
    assert np.abs(signed - true_mm)[near].max(initial=0.0) < 0.6
    off_level = np.abs(true_mm - level_mm) > 0.6
    assert np.array_equal((signed > level_mm)[off_level], (true_mm > level_mm)[off_level])


def test_next_to_the_surface_the_field_over_its_slope_is_the_distance() -> None:
    """A cloud's nearest point is never nearer than its spacing allows."""
    shape = Ellipsoid((10.0, 20.0, -30.0), (14.0, 10.0, 12.0))
    grid = grid_of(SCAN)
    field = analytic_field(SCAN, lambda x, y, z: 7.0 * shape.field_mm(x, y, z))
    axes_mm = fine_axes(field, grid, 3.0)
    fine = np.stack(list(sample_planes(field, axes_mm)))
    surface = find_surface(field, grid, 3.0)
    rough = signed_distances(surface, fine > 0, axes_mm, [0.0], 5.0)

    smooth = smooth_near_zero(rough, fine, axes_mm)

    near = np.abs(fine) < 7.0 * 0.5
    assert np.abs(smooth - fine / 7.0)[near].max() < 0.1
    assert np.abs(rough - fine / 7.0)[near].max() > 0.15
    assert np.array_equal(smooth > 0, fine > 0)
    far = np.abs(rough) > 1.0
    assert np.array_equal(smooth[far], rough[far])


def test_a_scan_of_one_slice_has_distances_in_its_plane() -> None:
    """No step leads across it."""
    scan = replace(SCAN, slice_offsets_mm=(0.0,))
    grid = grid_of(scan)
    field = analytic_field(scan, lambda x, y, z: 9.0 - np.hypot(x - 10.0, y - 20.0))
    axes_mm = fine_axes(field, grid, 3.0)
    fine = np.stack(list(sample_planes(field, axes_mm)))

    surface = find_surface(field, grid, 3.0)
    rough = signed_distances(surface, fine > 0, axes_mm, [0.0], 30.0)
    signed = smooth_near_zero(rough, fine, axes_mm)

    assert set(surface.points_mm[:, 0]) == {0.0}
    assert np.abs(signed - fine)[fine < 7.0].max() < 0.15  # a cone's tip is no border
