"""Contours of fields whose zero lines are known in closed form."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import contourpy
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contouring.contours import Contour, StructureContours, draw_contours
from contouring.lattice import BoxMm, Lattice, build_lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_deviation import deviation, in_plane_mm
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import (
    Ellipsoid,
    HollowTube,
    Separate,
    Shape,
    Shell,
    Sphere,
    Torus,
    rotation,
)
from contouring.structures import Structure
from contouring.template import HoleEncoding
from tests.contouring.analytic_fields import trace_contours
from tests.contouring.grids import SCANS_AND_OBLIQUE, FloatArray, grid_of, name_of
from tests.contouring.rings import is_inside, shoelace_area

ORGAN = Structure(1, "Organ", (255, 0, 0))
FINE_SCAN = Scan(
    rows=70,
    columns=80,
    row_spacing_mm=0.9,
    column_spacing_mm=1.0,
    slice_offsets_mm=(-21, -18, -15, -12, -10.5, -9, -6, -3.5, 0, 2, 5, 8, 10, 13, 16, 18.5, 21),
    centre_mm=(-12.0, 30.0, -400.0),
)
FINE_SCANS = [
    replace(FINE_SCAN, position=scan.position, obliqueness=scan.obliqueness)
    for scan in SCANS_AND_OBLIQUE
]


def at(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A place relative to the middle of the scans."""
    cx, cy, cz = FINE_SCAN.centre_mm
    return (cx + x, cy + y, cz + z)


SHAPES: dict[str, Shape] = {
    "ball": Sphere(at(1.3, -2.1, 0.4), 14.0),
    "ellipsoid": Ellipsoid(at(2, 1, 0), (22, 12, 10), rotation((1.0, -2.0, 0.5), 35.0)),
    "shell": Shell(at(-1, 2, 0.5), 17.0, 10.0),
    "ring": HollowTube(at(3.2, -1.1, 0.0), 18.0, 9.0, 12.2),
    "torus": Torus(at(0, 0, 0), (1.0, 0.0, 0.0), 13.0, 5.0),
    "two parts": Separate((Sphere(at(-14, 3, 1), 9.0), Sphere(at(15, -4, 2), 7.0))),
}


def selected(
    scan: Scan, field_mm: object, spacing_mm: float | None = None, box: BoxMm | None = None
) -> StructureField:
    """A field of patient x, y and z sampled on a lattice of the scan."""
    grid = grid_of(scan)
    cube = None if spacing_mm is None else (spacing_mm, spacing_mm + 0.5, spacing_mm + 1.0)
    lattice = build_lattice(grid, cube, box)
    axes = np.stack(np.meshgrid(*lattice.axes_mm, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.positions_mm[0] + axes @ grid.axis_directions, -1, 0)
    along_ct = np.asarray(field_mm(x, y, z), np.float32)  # type: ignore[operator]
    return StructureField(ORGAN, np.ascontiguousarray(lattice.to_canonical(along_ct)), lattice)


def by_slice(traced: StructureContours) -> dict[int, list[FloatArray]]:
    """Points as a file would hold them, in micrometres, by slice."""
    drawn: dict[int, list[FloatArray]] = defaultdict(list)
    for contour in traced.contours:
        drawn[contour.slice_index].append(np.round(contour.points_mm, 3))
    return drawn


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


@pytest.mark.parametrize("spacing_mm", [None, 3.0])
@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
def test_a_structure_that_fills_the_image_ends_at_the_outer_side_of_its_last_pixels(
    scan: Scan, spacing_mm: float | None
) -> None:
    """The half pixel beyond the last centre is seen by the scanner too, and no more is."""
    field = selected(scan, lambda x, y, z: 3.0 + 0 * x, spacing_mm)

    traced = trace_contours(field, grid_of(scan))

    assert [c.slice_index for c in traced.contours] == list(range(scan.shape_zyx[0]))
    for contour in traced.contours:
        across, down = in_plane_mm(scan, contour.slice_index, contour.points_mm).T
        assert (across.min(), across.max()) == pytest.approx((-0.5, 79.5), abs=0.01)
        assert (down.min(), down.max()) == pytest.approx((-0.45, 69.5 * 0.9), abs=0.01)


def test_a_structure_that_is_cut_by_the_image_s_edge_is_traced_up_to_it() -> None:
    """The part that is seen must be where it is, whatever is missing."""
    shape = Sphere(at(-39.0, 4.0, 0.0), 15.0)

    traced = trace_contours(selected(FINE_SCAN, shape.field_mm), grid_of(FINE_SCAN))

    assert len(traced.contours) >= 9
    for contour in traced.contours:
        across, _ = in_plane_mm(FINE_SCAN, contour.slice_index, contour.points_mm).T
        inner = across > 0.8
        field = shape.field_mm(*contour.points_mm[inner].T)
        assert across.min() >= -0.5 - 0.06
        assert np.abs(field).max() < 0.1


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


@pytest.mark.parametrize("spacing_mm", [None, 3.0])
def test_samples_that_all_say_outside_are_never_drawn(spacing_mm: float | None) -> None:
    """A faint streak in a sure background must not become an organ by overshoot."""
    shape = Sphere(at(-20.0, 0.0, 0.0), 12.0)
    field = selected(
        FINE_SCAN, lambda x, y, z: np.clip(20 * shape.field_mm(x, y, z), -20, 20), spacing_mm
    )
    along_ct = field.lattice.to_ct_axes(field.field)
    middle = along_ct.shape[2] * 3 // 4
    along_ct[:, :, middle : middle + 2] = -0.2

    traced = trace_contours(field, grid_of(FINE_SCAN))

    assert traced.contours
    for contour in traced.contours:
        assert shape.field_mm(*contour.points_mm.T).min() > -4.0


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


def test_a_field_in_a_box_is_traced_on_the_slices_within_the_box_only() -> None:
    """Beyond the box the network has said nothing."""
    grid = grid_of(FINE_SCAN)
    box = BoxMm((8.9, 12.0, 14.0), (23.1, 40.0, 50.0))

    traced = trace_contours(selected(FINE_SCAN, lambda x, y, z: 3.0 + 0 * x, None, box), grid)

    heights = grid.axes_mm[0][[c.slice_index for c in traced.contours]]
    assert heights.tolist() == [9.0, 10.5, 12.0, 15.0, 17.5, 21.0, 23.0]


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


def test_a_hole_is_a_keyhole_and_an_island_in_it_a_contour_of_its_own() -> None:
    """Nested plain contours are filled by several readers."""
    x0, y0, _ = at(0, 0, 0)

    def target(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        radius = np.hypot(x - x0, y - y0)
        return np.maximum(4.0 - np.abs(radius - 20.0), 6.0 - radius)

    traced = trace_contours(selected(FINE_SCAN, target), grid_of(FINE_SCAN))

    rings = [in_plane_mm(FINE_SCAN, 3, c.points_mm) for c in traced.contours if c.slice_index == 3]
    areas = sorted(abs(shoelace_area(ring)) for ring in rings)
    assert areas == pytest.approx([np.pi * 36, np.pi * (24**2 - 16**2)], rel=0.01)


def test_specks_are_not_drawn() -> None:
    """A contour of a tenth of a pixel breaks readers and means nothing."""
    shape = Sphere(at(0.5, 0.4, 0.0), 0.25)

    traced = trace_contours(selected(FINE_SCAN, shape.field_mm), grid_of(FINE_SCAN))

    assert traced.contours == ()
    assert traced.volume_cm3 == 0


def test_the_volume_is_the_sum_of_areas_and_slice_heights() -> None:
    """It is written into the file and shown to people: with uneven slices it must still hold."""
    grid = grid_of(FINE_SCAN)

    traced = trace_contours(selected(FINE_SCAN, SHAPES["shell"].field_mm), grid)

    def area(contour: Contour) -> float:
        return abs(shoelace_area(in_plane_mm(FINE_SCAN, contour.slice_index, contour.points_mm)))

    total = sum(area(c) * grid.slice_heights_mm[c.slice_index] for c in traced.contours)
    assert traced.volume_cm3 == pytest.approx(total / 1000, rel=1e-6)


def nested_field(scan: Scan = FINE_SCAN) -> StructureField:
    """A ring of 24 and 16 mm with an island of 6 mm in its hole, on every slice."""
    x0, y0, _ = at(0, 0, 0)

    def target(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
        radius = np.hypot(x - x0, y - y0)
        return np.maximum(4.0 - np.abs(radius - 20.0), 6.0 - radius)

    return selected(scan, target)


@pytest.mark.parametrize(
    ("holes", "geometric_type", "lines"),
    [
        (HoleEncoding.KEYHOLE, "CLOSED_PLANAR", 2),
        (HoleEncoding.NESTED, "CLOSED_PLANAR", 3),
        (HoleEncoding.XOR, "CLOSEDPLANAR_XOR", 3),
    ],
)
def test_a_hole_is_drawn_as_the_template_asks(
    holes: HoleEncoding, geometric_type: str, lines: int
) -> None:
    """PS3.3 C.8.8.6.3; by even-odd each of the three is the same organ."""
    grid = grid_of(FINE_SCAN)
    traced = trace_outlines(nested_field(), grid)

    contours = draw_contours(traced, grid, holes)

    assert {contour.geometric_type for contour in contours} == {geometric_type}
    on_slice = [contour for contour in contours if contour.slice_index == 4]
    assert len(on_slice) == lines
    points = np.random.default_rng(7).uniform((0, 0), (79, 62), (3000, 2))
    filled = is_inside([in_plane_mm(FINE_SCAN, 4, c.points_mm) for c in on_slice], points)
    organ = shapely.union_all([o.polygon for o in traced.outlines if o.slice_index == 4])
    clear = shapely.distance(shapely.points(points), organ.boundary) > 0.01
    assert np.array_equal(filled[clear], shapely.contains_xy(organ, points)[clear])


def test_lines_without_holes_are_plain_whatever_is_asked() -> None:
    """CLOSEDPLANAR_XOR makes structures vanish in some readers: only where it must be."""
    grid = grid_of(FINE_SCAN)
    traced = trace_outlines(selected(FINE_SCAN, SHAPES["ball"].field_mm), grid)

    contours = draw_contours(traced, grid, HoleEncoding.XOR)

    assert {contour.geometric_type for contour in contours} == {"CLOSED_PLANAR"}


@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
@pytest.mark.parametrize("name", ["ring", "shell", "torus", "two parts"])
def test_every_ring_is_simple_once_it_is_rounded(scan: Scan, name: str) -> None:
    """A file holds whole micrometres; what is within the keyhole's bridges is still one line."""
    scan = replace(scan, centre_mm=(-12.1234, 30.4567, -400.0005))
    field = selected(scan, SHAPES[name].field_mm)

    drawn = by_slice(trace_contours(field, grid_of(scan)))

    assert drawn
    for index, rings in drawn.items():
        for ring in rings:
            plane = in_plane_mm(scan, index, ring)
            edges = list(zip(map(tuple, ring), map(tuple, np.roll(ring, -1, axis=0)), strict=True))
            bridges = {edge for edge in edges if edge[::-1] in set(edges)}
            assert len(bridges) % 2 == 0
            assert all(start != end for start, end in edges)
            outline = shapely.Polygon(plane).buffer(0)
            assert abs(shoelace_area(plane)) == pytest.approx(outline.area, rel=1e-6)


@given(
    field=arrays.arrays(
        np.float32,
        st.tuples(st.just(3), st.integers(4, 9), st.integers(4, 9)),
        elements=st.floats(-3, 3, width=32),
    ),
    offset=st.tuples(st.floats(-400, 400), st.floats(-400, 400), st.floats(-400, 400)),
    turn=st.floats(-30, 30),
)
def test_any_field_gives_rings_that_rounding_cannot_break(
    field: FloatArray, offset: tuple[float, float, float], turn: float
) -> None:
    """Noise has necks and notches of every width; oblique planes round in all three coordinates."""
    _, rows, columns = field.shape
    scan = replace(
        FINE_SCAN,
        rows=rows,
        columns=columns,
        slice_offsets_mm=(0.0, 1.5, 3.0),
        centre_mm=offset,
        obliqueness=rotation((1.0, -0.4, 0.3), turn),
    )
    grid = grid_of(scan)
    traced = trace_outlines(StructureField(ORGAN, field, build_lattice(grid)), grid)

    for contour in draw_contours(traced, grid, HoleEncoding.NESTED):
        written = np.round(contour.points_mm, 3) - grid.positions_mm[contour.slice_index]
        ring = np.stack([written @ grid.row_direction, written @ grid.column_direction], axis=1)
        assert len({tuple(point) for point in np.round(contour.points_mm, 3).tolist()}) >= 3
        assert shapely.Polygon(ring).is_valid
        assert shapely.Polygon(ring).area > 0.4


def test_an_outline_is_a_valid_polygon_in_its_slice_s_plane() -> None:
    """Its volume is areas times heights, holes taken off."""
    grid = grid_of(FINE_SCAN)

    traced = trace_outlines(nested_field(), grid)

    indices = [outline.slice_index for outline in traced.outlines]
    assert indices == sorted(indices)
    assert sorted({len(outline.polygon.interiors) for outline in traced.outlines}) == [0, 1]
    assert all(outline.polygon.is_valid for outline in traced.outlines)
    true_mm2 = np.pi * (36 + 24**2 - 16**2)
    assert traced.volume_cm3 == pytest.approx(
        true_mm2 * grid.slice_heights_mm.sum() / 1e3, rel=0.01
    )


def test_a_box_between_pixel_centres_has_no_outline() -> None:
    """Fine samples between two columns of the CT: nothing of it can be drawn on its pixels."""
    field = selected(FINE_SCAN, lambda x, y, z: 1.0 + 0 * x)
    slices, rows, _ = field.lattice.axes_mm
    narrow = Lattice((slices, rows, np.array([10.3, 10.6])), *build_order(field))
    values = np.ones(narrow.shape_zyx, np.float32)

    traced = trace_outlines(StructureField(ORGAN, values, narrow), grid_of(FINE_SCAN))

    assert traced.outlines == ()


def build_order(field: StructureField) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """How a field's array lies in the CT."""
    return field.lattice.order, field.lattice.flipped
