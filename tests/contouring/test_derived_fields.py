"""Derived structures, held against shapes that are known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contouring.derivations import (
    BodyOutline,
    Contraction,
    Derivation,
    DerivedStructure,
    Difference,
    Expansion,
    Intersection,
    Margins,
    Ring,
    Union,
)
from contouring.derived_fields import derive
from contouring.errors import DerivationError
from contouring.lattice import BoxMm
from contouring.masks import StructureField
from contouring.phantom_deviation import deviation
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_shapes import Shape, Shell, Sphere, rotation
from contouring.structures import Structure
from tests.contouring.analytic_fields import analytic_field, empty_ct, trace_contours
from tests.contouring.grids import FloatArray, grid_of

# 1 x 1 x 3 mm, as the promise of 0.1 mm is given.
SCAN = Scan(
    rows=56,
    columns=60,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(19, 3.0),
    centre_mm=(5.0, -9.0, 40.0),
)
CENTRE = (5.4, -10.3, 41.1)
BALL = Sphere(CENTRE, 12.0)
SMALL_BALL = Sphere(CENTRE, 7.0)
SIDEWAYS = Margins(right=6.0, left=0.0, anterior=3.0, posterior=2.0, inferior=0.0, superior=5.0)


def derived(
    scan: Scan, sources: dict[str, Shape], derivation: Derivation, **options: object
) -> FloatArray:
    """Points of the contours of a structure made of shapes by their names, (n, 3)."""
    fields = {
        name: analytic_field(scan, shape.field_mm, name, **options)  # type: ignore[arg-type]
        for name, shape in sources.items()
    }
    field = derive(derived_structure(derivation), fields, empty_ct(scan))
    return points_of(field, scan)


def derived_structure(derivation: Derivation, name: str = "Made") -> DerivedStructure:
    """A derived structure without looks."""
    return DerivedStructure(Structure(0, name, (1, 2, 3)), derivation)


def points_of(field: StructureField, scan: Scan) -> FloatArray:
    """All points of a field's contours."""
    contours = trace_contours(field, grid_of(scan)).contours
    return np.concatenate([contour.points_mm for contour in contours])


@pytest.mark.parametrize("margin_mm", [1.0, 3.0, 10.0])
def test_a_ball_grown_by_a_margin_is_the_larger_ball(margin_mm: float) -> None:
    """Within 0.1 mm, though slices are 3 mm apart."""
    grown = derived(SCAN, {"Ball": BALL}, Expansion("Ball", Margins.even(margin_mm)))

    off = Sphere(CENTRE, 12.0 + margin_mm).field_mm(*grown.T)
    assert np.abs(off).max() < 0.1


@pytest.mark.parametrize("margin_mm", [1.0, 3.0, 7.0])
def test_a_ball_shrunk_by_a_margin_is_the_smaller_ball(margin_mm: float) -> None:
    """The other way round."""
    shrunk = derived(SCAN, {"Ball": BALL}, Contraction("Ball", Margins.even(margin_mm)))

    assert np.abs(Sphere(CENTRE, 12.0 - margin_mm).field_mm(*shrunk.T)).max() < 0.14


@pytest.mark.parametrize(("inner_mm", "outer_mm"), [(3.0, 8.0), (0.0, 5.0)])
def test_a_ring_lies_between_its_two_distances(inner_mm: float, outer_mm: float) -> None:
    """With no inner distance it begins where the structure ends."""
    ring = derived(SCAN, {"Ball": BALL}, Ring("Ball", inner_mm, outer_mm))

    shell = Shell(CENTRE, 12.0 + outer_mm, 12.0 + inner_mm)
    assert np.abs(shell.field_mm(*ring.T)).max() < 0.1


def test_margins_come_from_uneven_slices_and_coarse_fields_alike() -> None:
    """The network saw 3 x 4 x 4 mm; slices were added where the surgeon looked."""
    scan = replace(SCAN, slice_offsets_mm=tuple(np.cumsum(np.tile([1.5, 3.0, 2.5], 8)) - 28.0))

    grown = derived(
        scan,
        {"Ball": BALL},
        Expansion("Ball", Margins.even(4.0)),
        spacing_zyx_mm=(3.0, 4.0, 4.0),
    )

    assert np.abs(Sphere(CENTRE, 16.0).field_mm(*grown.T)).max() < 0.15


def test_a_margin_does_not_depend_on_how_steep_a_field_is() -> None:
    """A network's logits are no millimetres, and saturate."""
    steep = analytic_field(SCAN, lambda x, y, z: np.tanh(0.4 * BALL.field_mm(x, y, z)), "Ball")

    field = derive(
        derived_structure(Expansion("Ball", Margins.even(5.0))), {"Ball": steep}, empty_ct(SCAN)
    )

    assert np.abs(Sphere(CENTRE, 17.0).field_mm(*points_of(field, SCAN).T)).max() < 0.15


def reached(points: FloatArray, ball: Sphere, margins: Margins, sign: int = 1) -> FloatArray:
    """By brute force: from how far inside a ball (mm) the margins reach points at best.

    Of some 60 of the points.
    """
    points = points[:: max(1, len(points) // 60)]
    directions = np.random.default_rng(5).normal(size=(6_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    towards = np.array([margins.left, margins.posterior, margins.superior])
    away = np.array([margins.right, margins.anterior, margins.inferior])
    body = np.where(directions > 0, directions * towards, directions * away)
    inside = [ball.field_mm(*(point - sign * body).T) for point in points]
    return np.array([field.max() if sign > 0 else field.min() for field in inside])


@pytest.mark.parametrize(
    "scan",
    [
        SCAN,
        replace(SCAN, position="FFP"),
        replace(SCAN, position="HFDL"),
        replace(SCAN, position="FFS", obliqueness=rotation((1.0, -2.0, 0.7), 17.0)),
    ],
    ids=["HFS", "FFP", "HFDL", "oblique"],
)
def test_margins_towards_the_patient_s_sides_do_not_follow_the_table(scan: Scan) -> None:
    """More to the right is the patient's right, however the patient lies."""
    points = derived(scan, {"Ball": SMALL_BALL}, Expansion("Ball", SIDEWAYS))

    low, high = (points - CENTRE).min(axis=0), (points - CENTRE).max(axis=0)
    assert low[:2] == pytest.approx((-13.0, -10.0), abs=0.2)
    assert high[:2] == pytest.approx((7.0, 9.0), abs=0.2)
    assert np.abs(reached(points, SMALL_BALL, SIDEWAYS)).max() < 0.12


def test_unlike_margins_of_like_size_make_a_ball() -> None:
    """Where the two ways of computing a margin meet, they agree."""
    nearly_even = Margins(5.0, 5.0, 5.0, 5.0, 5.0, 5.001)

    grown = derived(SCAN, {"Ball": BALL}, Expansion("Ball", nearly_even))

    assert np.abs(Sphere(CENTRE, 17.0).field_mm(*grown.T)).max() < 0.12


def test_a_structure_is_shrunk_from_the_sides_that_are_named() -> None:
    """6 mm from the right: its right border moves to the left."""
    points = derived(SCAN, {"Ball": BALL}, Contraction("Ball", SIDEWAYS))

    low, high = (points - CENTRE).min(axis=0), (points - CENTRE).max(axis=0)
    assert low[:2] == pytest.approx((-6.0, -9.0), abs=0.5)
    assert high[0] > 10.5
    assert np.abs(reached(points, BALL, SIDEWAYS, sign=-1)).max() < 0.12


@settings(max_examples=12, deadline=None)
@given(
    margins=st.tuples(*[st.sampled_from([0.0, 2.0, 5.5])] * 6).filter(lambda m: max(m) > 0),
    radius_mm=st.floats(5.0, 9.0),
)
def test_any_margins_grow_a_ball_as_brute_force_does(
    margins: tuple[float, ...], radius_mm: float
) -> None:
    """An octant ellipsoid for each corner of the patient, flat ones too."""
    scan = replace(SCAN, rows=40, columns=40, slice_offsets_mm=even_offsets(13, 2.5))
    ball = Sphere(CENTRE, radius_mm)
    points = derived(scan, {"Ball": ball}, Expansion("Ball", Margins(*margins)))

    assert np.abs(reached(points, ball, Margins(*margins))).max() < 0.2


def test_a_structure_cut_by_the_scan_s_end_is_not_shrunk_there() -> None:
    """It goes on beyond, for all that is known: 5 mm under the skin has no lid."""
    scan = replace(SCAN, slice_offsets_mm=even_offsets(7, 3.0))
    x0, y0, _ = CENTRE
    column = analytic_field(scan, lambda x, y, z: 15.0 - np.hypot(x - x0, y - y0), "Column")

    for margins in (Margins.even(4.0), Margins(4.0, 4.0, 4.0, 4.0, 4.0, 3.99)):
        field = derive(
            derived_structure(Contraction("Column", margins)), {"Column": column}, empty_ct(scan)
        )
        traced = trace_contours(field, grid_of(scan))

        assert [contour.slice_index for contour in traced.contours] == list(range(7))
        for contour in traced.contours:
            radii = np.hypot(*(contour.points_mm[:, :2] - (x0, y0)).T)
            assert np.abs(radii - 11.0).max() < 0.15


def test_a_structure_cut_by_the_network_s_box_is_grown_from_the_cut() -> None:
    """What was drawn ends there, so its margin begins there."""
    box = BoxMm((0.0, 0.0, 0.0), (54.0, 55.0, 30.0))
    half = analytic_field(SCAN, BALL.field_mm, "Half", box=box)

    field = derive(
        derived_structure(Expansion("Half", Margins.even(5.0))), {"Half": half}, empty_ct(SCAN)
    )

    edge_mm = grid_of(SCAN).positions_mm[0, 0] + 30.0
    assert points_of(field, SCAN)[:, 0].max() == pytest.approx(edge_mm + 5.0, abs=0.15)


LEFT, RIGHT = Sphere((-1.0, -10.0, 41.0), 10.0), Sphere((11.0, -9.0, 40.0), 12.0)


@pytest.mark.parametrize(
    ("derivation", "expected"),
    [
        (Union(("A", "B")), lambda a, b: np.maximum(a, b)),
        (Intersection(("A", "B")), lambda a, b: np.minimum(a, b)),
        (Difference("A", ("B",)), lambda a, b: np.minimum(a, -b)),
    ],
    ids=["union", "intersection", "difference"],
)
def test_set_operations_keep_the_borders_they_take_over(
    derivation: Derivation, expected: object
) -> None:
    """A union's contour is its parts' contour, to the hundredth of a millimetre."""
    points = derived(SCAN, {"A": LEFT, "B": RIGHT}, derivation)

    a, b = LEFT.field_mm(*points.T), RIGHT.field_mm(*points.T)
    off = np.abs(expected(a, b))  # type: ignore[operator]
    at_corner = np.maximum(np.abs(a), np.abs(b)) < 1.0  # both borders meet: no one normal
    assert off[~at_corner].max() < 0.11
    assert off.mean() < 0.05


def test_derived_structures_build_on_earlier_ones() -> None:
    """A ring about a union, say: names come first, as in a template."""
    fields = {
        name: analytic_field(SCAN, shape.field_mm, name)
        for name, shape in {"A": LEFT, "B": RIGHT}.items()
    }
    both = derive(derived_structure(Union(("A", "B")), "Both"), fields, empty_ct(SCAN))

    around = derive(
        derived_structure(Ring("Both", 1.0, 3.0), "Around"), {"Both": both}, empty_ct(SCAN)
    )

    assert around.structure.name == "Around"
    points = points_of(around, SCAN)
    nearest = np.maximum(LEFT.field_mm(*points.T), RIGHT.field_mm(*points.T))
    assert nearest.min() > -3.5
    assert nearest.max() < -0.8


def test_a_derived_field_is_in_the_ct_s_own_voxels() -> None:
    """So that its contours need no interpolation across slices."""
    coarse = analytic_field(SCAN, BALL.field_mm, "Ball", (3.0, 4.0, 4.0))

    field = derive(derived_structure(Union(("Ball",))), {"Ball": coarse}, empty_ct(SCAN))

    slices_mm = grid_of(SCAN).axes_mm[0]
    assert np.isin(field.lattice.axes_mm[0], slices_mm).all()
    assert deviation(BALL, SCAN, by_slice(field)).largest_off_poles_mm < 0.3


def by_slice(field: StructureField) -> dict[int, list[FloatArray]]:
    """Points of a field's contours by slice."""
    drawn: dict[int, list[FloatArray]] = {}
    for contour in trace_contours(field, grid_of(SCAN)).contours:
        drawn.setdefault(contour.slice_index, []).append(contour.points_mm)
    return drawn


def test_a_source_that_was_not_found_fails_by_name() -> None:
    """A margin about nothing must never be left out in silence."""
    wanted = derived_structure(Union(("Ball", "Parotid_L")), "Glands")

    with pytest.raises(DerivationError, match=r"Glands cannot be made: Parotid_L, .* not found"):
        derive(wanted, {"Ball": analytic_field(SCAN, BALL.field_mm)}, empty_ct(SCAN))


@pytest.mark.parametrize(
    "derivation",
    [
        Intersection(("Ball", "Far")),
        Difference("Ball", ("Ball",)),
        Contraction("Ball", Margins.even(14.0)),
        BodyOutline(3000.0),
    ],
    ids=["apart", "all of it", "shrunk away", "no body"],
)
def test_a_derived_structure_of_which_nothing_is_left_fails(derivation: Derivation) -> None:
    """An empty avoidance structure looks like one that was forgotten."""
    far = Sphere((-20.0, -30.0, 20.0), 3.0)
    fields = {
        "Ball": analytic_field(SCAN, BALL.field_mm),
        "Far": analytic_field(SCAN, far.field_mm),
    }

    with pytest.raises(DerivationError, match="Made cannot be made: nothing is left of it"):
        derive(derived_structure(derivation), fields, empty_ct(SCAN))


def test_a_structure_that_fills_the_scan_has_no_border_to_grow_or_shrink_from() -> None:
    """It stays what it is, and its ring is nothing."""
    full = {"All": analytic_field(SCAN, lambda x, y, z: 1.0 + 0 * x, "All")}

    grown = derive(derived_structure(Expansion("All", Margins.even(2.0))), full, empty_ct(SCAN))

    assert (grown.field > 0).all()
    with pytest.raises(DerivationError, match="nothing is left"):
        derive(derived_structure(Ring("All", 0.0, 2.0)), full, empty_ct(SCAN))
