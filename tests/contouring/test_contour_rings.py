"""Holes, islands and rings of contours, as readers of a file will fill them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contouring.contours import draw_contours
from contouring.lattice import build_lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_deviation import in_plane_mm
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import rotation
from contouring.template import HoleEncoding
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
