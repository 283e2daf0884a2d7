"""Contours of fields whose zero lines are known in closed form."""

from __future__ import annotations

from dataclasses import replace

import contourpy
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contouring.contours import Contour
from contouring.lattice import build_lattice
from contouring.masks import StructureField
from contouring.phantom_deviation import deviation, in_plane_mm
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import HollowTube, Sphere
from tests.contouring.analytic_fields import trace_contours
from tests.contouring.grids import FloatArray, grid_of, name_of
from tests.contouring.rings import is_inside, shoelace_area
from tests.contouring.sampled_shapes import (
    FINE_SCAN,
    FINE_SCANS,
    ORGAN,
    SHAPES,
    at,
    by_slice,
    selected,
)


@pytest.mark.parametrize("name", SHAPES)
def test_contours_run_where_the_closed_form_says(name: str) -> None:
    """Half a voxel is 0.5 mm here; the truth is met ten times closer, on uneven slices too."""
    shape = SHAPES[name]

    traced = trace_contours(selected(FINE_SCAN, shape.field_mm), grid_of(FINE_SCAN))

    found = deviation(shape, FINE_SCAN, by_slice(traced))
    assert found.mean_mm <= 0.05
    assert found.largest_off_poles_mm <= 0.5
    assert (found.missed_slices, found.extra_slices) == ((), ())
    assert abs(found.volume_error) <= 0.01


@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
def test_contours_stay_on_the_organ_in_every_position(scan: Scan) -> None:
    """A flipped axis is invisible on a ball in the middle; this ellipsoid lies askew."""
    shape = SHAPES["ellipsoid"]

    traced = trace_contours(selected(scan, shape.field_mm), grid_of(scan))

    found = deviation(shape, scan, by_slice(traced))
    assert found.mean_mm <= 0.05
    assert found.largest_off_poles_mm <= 0.5
    assert (found.missed_slices, found.extra_slices) == ((), ())


@pytest.mark.parametrize("radius_mm", [4.0, 8.0, 25.0])
def test_a_circle_keeps_its_area(radius_mm: float) -> None:
    """Chords of a simplified line lie inside the circle; what they cut off is given back."""
    scan = replace(FINE_SCAN, slice_offsets_mm=(0.0, 1.0, 2.0))
    shape = HollowTube(at(0.3, 0.2, 1.0), radius_mm, 1e-9, 50.0)
    x0, y0, _ = shape.centre_mm
    circle = selected(scan, lambda x, y, z: radius_mm - np.hypot(x - x0, y - y0))

    traced = trace_contours(circle, grid_of(scan))

    areas = [
        abs(shoelace_area(in_plane_mm(scan, c.slice_index, c.points_mm))) for c in traced.contours
    ]
    assert areas == pytest.approx([np.pi * radius_mm**2] * 3, rel=0.003)
    assert traced.volume_cm3 == pytest.approx(3 * np.pi * radius_mm**2 / 1000, rel=0.003)


def test_a_ring_s_two_borders_are_off_by_nothing_on_average() -> None:
    """Giving back the lost area to both borders at once would push the hole's border aside."""
    scan = replace(FINE_SCAN, slice_offsets_mm=(0.0, 1.0, 2.0))
    x0, y0, _ = at(0.3, 0.2, 1.0)
    ring = selected(scan, lambda x, y, z: 5.0 - np.abs(np.hypot(x - x0, y - y0) - 20.0))

    traced = trace_contours(ring, grid_of(scan))

    for contour in traced.contours:
        x, y, _ = contour.points_mm.T
        corners = np.hypot(x - x0, y - y0)
        area = shoelace_area(in_plane_mm(scan, contour.slice_index, contour.points_mm))
        assert abs(area) == pytest.approx(np.pi * (25.0**2 - 15.0**2), rel=0.003)
        # The corners of a restored hole lie inside it as far as its sides lie outside.
        assert 15.0 - corners[corners < 20].mean() < 0.035
        assert corners[corners > 20].mean() - 25.0 < 0.035


@given(
    st.floats(3, 20),
    st.lists(st.tuples(st.floats(-0.4, 0.4), st.floats(0, 6.28)), min_size=1, max_size=5),
)
def test_simplifying_keeps_the_area_that_marching_squares_found(
    radius_mm: float, waves: list[tuple[float, float]]
) -> None:
    """Fewer points must not mean a smaller organ."""
    scan = replace(FINE_SCAN, slice_offsets_mm=(0.0, 1.0, 2.0))
    x0, y0, _ = at(0.4, 0.1, 0.0)

    def lobed(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        angle = np.arctan2(y - y0, x - x0)
        lobes = sum(a * np.cos((k + 2) * angle + p) for k, (a, p) in enumerate(waves))
        return radius_mm * (1 + lobes / (len(waves) + 1)) - np.hypot(x - x0, y - y0)

    field = selected(scan, lobed)

    traced = trace_contours(field, grid_of(scan))

    plane = np.pad(field.lattice.to_ct_axes(field.field)[0], 1, constant_values=-1.0)
    lines = contourpy.contour_generator(
        np.arange(-1.0, 81.0) * 1.0, np.arange(-1.0, 71.0) * 0.9, plane
    ).lines(0.0)
    expected = abs(sum(shoelace_area(np.asarray(line)[:-1]) for line in lines))
    drawn = [c for c in traced.contours if c.slice_index == 0]
    area = sum(abs(shoelace_area(in_plane_mm(scan, 0, c.points_mm))) for c in drawn)
    assert area == pytest.approx(expected, rel=1e-3, abs=0.6)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(2, 9), st.integers(2, 9)),
        elements=st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]),
    )
)
def test_any_field_is_filled_at_pixel_centres_as_its_sign_says(plane: FloatArray) -> None:
    """Holes, islands in holes, saddles, parts that touch in a point, edges of the image, zeros."""
    rows, columns = plane.shape
    scan = replace(
        FINE_SCAN,
        rows=rows,
        columns=columns,
        row_spacing_mm=2.0,
        column_spacing_mm=2.5,
        slice_offsets_mm=(0.0, 1.0, 2.0),
    )
    lattice = build_lattice(grid_of(scan))
    field = np.stack([plane] * 3)

    traced = trace_contours(StructureField(ORGAN, field, lattice), grid_of(scan))

    places = np.array([(c * 2.5, r * 2.0) for r in range(rows) for c in range(columns)])
    for index in range(3):
        rings = [in_plane_mm(scan, index, ring) for ring in by_slice(traced).get(index, [])]
        filled = is_inside(rings, places)
        clear = plane.ravel() != 0
        assert np.array_equal(filled[clear], (plane.ravel() > 0)[clear])


@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
def test_a_linear_field_on_a_coarse_lattice_meets_the_ct_where_it_is_zero(scan: Scan) -> None:
    """Interpolation from the network's spacing to the CT's slices must shift nothing."""
    normal = np.array([2.0, -3.0, 1.5]) / np.linalg.norm([2.0, -3.0, 1.5])
    middle = np.array(at(2.0, 1.0, -1.0))

    def half_space(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        return np.asarray(np.stack([x, y, z], axis=-1) @ normal - middle @ normal)

    traced = trace_contours(selected(scan, half_space, 3.0), grid_of(scan))

    assert {c.slice_index for c in traced.contours} == set(range(scan.shape_zyx[0]))
    for contour in traced.contours:
        line = shapely.get_coordinates(
            shapely.segmentize(shapely.LinearRing(contour.points_mm), 1.0), include_z=True
        )
        across, down = in_plane_mm(scan, contour.slice_index, line).T
        clear = (across > 1) & (across < 78) & (down > 1) & (down < 61)
        assert np.count_nonzero(clear) > 20
        assert np.abs(half_space(*line[clear].T)).max() < 0.06


@pytest.mark.parametrize("spacing_mm", [2.0, 3.0])
def test_a_ball_on_a_coarse_lattice_is_found_within_what_chords_cost(spacing_mm: float) -> None:
    """Linear interpolation loses at most step^2 / (8 radius) per axis, and moves nothing."""
    shape = Sphere(at(0.7, -1.2, 0.9), 16.0)
    scan = replace(FINE_SCAN, slice_offsets_mm=even_offsets(41, 1.1))

    traced = trace_contours(selected(scan, shape.field_mm, spacing_mm), grid_of(scan))

    points = np.concatenate([c.points_mm for c in traced.contours])
    error = shape.field_mm(*points.T)
    lost = sum((spacing_mm + k / 2) ** 2 for k in range(3)) / (8 * 16.0)
    assert -0.06 < error.mean() < lost
    volume = 4 / 3 * np.pi * 16.0**3 / 1000
    assert volume * (1 - 4 * lost / 16.0) < traced.volume_cm3 < volume * 1.005
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    assert middle[:2] == pytest.approx(shape.centre_mm[:2], abs=0.1)


@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
def test_points_lie_on_their_own_slice_s_plane(scan: Scan) -> None:
    """A contour beside its plane is dropped or moved by planning systems."""
    grid = grid_of(scan)
    traced = trace_contours(selected(scan, SHAPES["ellipsoid"].field_mm, 2.5), grid)

    heights = [
        (contour.points_mm - grid.positions_mm[contour.slice_index]) @ grid.normal
        for contour in traced.contours
    ]

    assert np.abs(np.concatenate(heights)).max() < 1e-6


def test_the_third_coordinate_of_an_axial_contour_is_its_slice_s_to_the_bit() -> None:
    """Readers group contours into slices by it."""
    grid = grid_of(FINE_SCAN)

    traced = trace_contours(selected(FINE_SCAN, SHAPES["ball"].field_mm), grid)

    for contour in traced.contours:
        assert set(contour.points_mm[:, 2]) == {grid.positions_mm[contour.slice_index, 2]}


def test_the_volume_is_the_sum_of_areas_and_slice_heights() -> None:
    """It is written into the file and shown to people: with uneven slices it must still hold."""
    grid = grid_of(FINE_SCAN)

    traced = trace_contours(selected(FINE_SCAN, SHAPES["shell"].field_mm), grid)

    def area(contour: Contour) -> float:
        return abs(shoelace_area(in_plane_mm(FINE_SCAN, contour.slice_index, contour.points_mm)))

    total = sum(area(c) * grid.slice_heights_mm[c.slice_index] for c in traced.contours)
    assert traced.volume_cm3 == pytest.approx(total / 1000, rel=1e-6)
