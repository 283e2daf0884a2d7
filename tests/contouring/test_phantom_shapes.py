"""The solids that the truth is built from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.phantom import HEAD_AND_NECK, PhantomStructure
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import (
    Ellipsoid,
    FloatArray,
    HollowTube,
    Rod,
    Separate,
    Shape,
    Shell,
    Sphere,
    Torus,
    rotation,
)
from contouring.phantom_truth import true_slice

SHAPES = [pytest.param(found.shape, id=found.name) for found in HEAD_AND_NECK.structures]


def field_at(shape: Shape, points: FloatArray) -> FloatArray:
    """Field at (n, 3) points."""
    return shape.field_mm(points[:, 0], points[:, 1], points[:, 2])


def gradient_at(shape: Shape, points: FloatArray, step: float = 1e-4) -> FloatArray:
    """Central differences of the field, (n, 3)."""
    steps = np.eye(3) * step
    return np.stack(
        [(field_at(shape, points + d) - field_at(shape, points - d)) / (2 * step) for d in steps],
        axis=1,
    )


def points_near_border(shape: Shape, reach_mm: float = 1.0) -> FloatArray:
    """Seeded points at most `reach_mm` from the border."""
    box = shape.bounds()
    points = np.random.default_rng(1).uniform(box.low_mm, box.high_mm, (60_000, 3))
    return points[np.abs(field_at(shape, points)) < reach_mm]


@pytest.mark.parametrize(
    ("shape", "point", "field_mm"),
    [
        (Sphere((1, 2, 3), 5), (1, 2, 10), -2.0),
        (Shell((0, 0, 0), 9, 6), (0, 7, 0), 1.0),
        (Shell((0, 0, 0), 9, 6), (0, 0, 4), -2.0),
        (Rod((0, 0, 0), (0, 0, 10), 2), (0, 1, 5), 1.0),
        (Rod((0, 0, 0), (0, 0, 10), 2), (0, 0, 13), -1.0),
        (HollowTube((0, 0, 0), 20, 10, 15), (14, 0, 0), 4.0),
        (HollowTube((0, 0, 0), 20, 10, 15), (0, 15, 21), -1.0),
        (HollowTube((0, 0, 0), 20, 10, 15), (0, 7, 0), -3.0),
        (Torus((0, 0, 0), (1, 0, 0), 18, 6), (0, 18, 0), 6.0),
        (Torus((0, 0, 0), (1, 0, 0), 18, 6), (7, 0, 18), -1.0),
        (Ellipsoid((0, 0, 0), (9, 5, 3)), (0, 5, 0), 0.0),
        (Ellipsoid((0, 0, 0), (9, 5, 3)), (0, 0, 0), 3.0),
        (Ellipsoid((0, 0, 0), (9, 5, 3), rotation((0, 0, 1), 90)), (0, 9, 0), 0.0),
        (Separate((Sphere((0, 0, 0), 2), Sphere((9, 0, 0), 3))), (9, 0, 0), 3.0),
    ],
)
def test_fields_take_the_values_that_geometry_gives_by_hand(
    shape: Shape, point: tuple[float, float, float], field_mm: float
) -> None:
    """The truth must not rest on the code that computes it."""
    value = field_at(shape, np.array([point], dtype=float))[0]

    assert value == pytest.approx(field_mm, abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_field_rises_by_one_mm_per_mm_at_the_border(shape: Shape) -> None:
    """Then a contour's field value is its distance, and HU carry the same accuracy everywhere."""
    points = points_near_border(shape, reach_mm=0.05)

    steepness = np.linalg.norm(gradient_at(shape, points), axis=1)

    assert len(points) > 20
    assert np.abs(steepness - 1.0).max() < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bounds_hold_the_solid_and_touch_it_on_all_sides(shape: Shape) -> None:
    """HU are only encoded inside the bounds, so a tight box that cuts a solid would bend it."""
    box = shape.bounds()
    axes = [
        np.arange(low - 2.0, high + 2.0, 0.5)
        for low, high in zip(box.low_mm, box.high_mm, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)

    inside = np.argwhere(shape.field_mm(x, y, z) > 0.0)

    for axis in range(3):
        reached = axes[axis][inside[:, axis]]
        assert box.low_mm[axis] - 1e-9 <= reached.min() < box.low_mm[axis] + 1.6
        assert box.high_mm[axis] - 1.6 < reached.max() <= box.high_mm[axis] + 1e-9


@given(
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    degrees=st.floats(-180, 180),
)
def test_rotations_keep_lengths_and_handedness(
    axis: tuple[float, float, float], degrees: float
) -> None:
    """A reflection here would make a mirrored phantom look right."""
    turn = np.array(rotation(axis, degrees))

    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.allclose(turn @ axis, axis)


@pytest.mark.parametrize(
    ("shape", "offset_mm", "area_mm2"),
    [
        (Sphere((1, 2, 3), 10), 9.0, np.pi * (100 - 36)),
        (Sphere((0, 0, 0), 2.5), 0.0, np.pi * 6.25),
        (HollowTube((4, 0, 0), 20, 10, 15), 14.0, np.pi * 300),
        (Torus((0, 0, 0), (0, 0, 1), 18, 6), 0.0, np.pi * (24**2 - 12**2)),
        (Ellipsoid((0, 0, 0), (9, 5, 3)), 0.0, np.pi * 45),
        (Separate((Sphere((0, 0, 0), 3), Sphere((20, 0, 0), 4))), 0.0, np.pi * 25),
        (Sphere((0, 0, 0), 10), 10.5, 0.0),
    ],
)
def test_true_areas_are_those_of_circles_rings_and_ellipses(
    shape: Shape, offset_mm: float, area_mm2: float
) -> None:
    """The volume bounds of a fraction of a percent need a far better truth."""
    scan = Scan(slice_offsets_mm=(offset_mm,))

    cut = true_slice(shape, scan, 0)

    assert cut.area_mm2 == pytest.approx(area_mm2, rel=1e-3)


def test_true_contours_lie_on_the_border_and_on_the_oblique_plane() -> None:
    """A contour that only looks right in an axial plane proves nothing about obliques."""
    shape = HEAD_AND_NECK.structure("Ellipsoid").shape
    scan = Scan(
        position="FFDL",
        slice_offsets_mm=(3.7,),
        centre_mm=(36.0, -15.0, -6.0),
        obliqueness=rotation((1.0, 2.0, 3.0), 25.0),
    )

    contours = true_slice(shape, scan, 0).contours_mm

    points = np.concatenate(contours)
    assert np.abs(field_at(shape, points)).max() < 0.002
    assert np.abs((points - scan.origin_mm(0)) @ scan.normal).max() < 1e-9


@pytest.mark.parametrize(
    "structure",
    [s for s in HEAD_AND_NECK.structures if not isinstance(s.shape, Separate | Ellipsoid)],
    ids=lambda s: s.name,
)
def test_a_solid_is_twice_as_thick_as_its_deepest_point_lies_deep(
    structure: PhantomStructure,
) -> None:
    """Limits of volume go by thickness."""
    box = structure.shape.bounds()
    x, y, z = np.meshgrid(
        *(np.linspace(low, high, 61) for low, high in zip(box.low_mm, box.high_mm, strict=True))
    )

    deepest_mm = structure.shape.field_mm(x, y, z).max()

    assert 2.0 * deepest_mm == pytest.approx(structure.shape.thickness_mm, rel=0.06)


def test_an_ellipsoid_is_as_thick_as_its_shortest_axis_is_long() -> None:
    """Its field is a distance on the border alone."""
    assert Ellipsoid((0.0, 0.0, 0.0), (28.0, 12.0, 16.0)).thickness_mm == 24.0


def test_separate_parts_are_as_thick_as_the_thinnest() -> None:
    """The smaller of two balls."""
    balls = Separate((Sphere((0.0, 0.0, 0.0), 8.0), Sphere((30.0, 0.0, 0.0), 6.0)))

    assert balls.thickness_mm == 12.0
