"""The yardstick of the contour tests: it must see the faults that it is there for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.errors import StructureSetError
from contouring.phantom_deviation import Truth, deviation, drawn_area_mm2
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import FloatArray, HollowTube, Shell, Sphere, rotation
from contouring.phantom_truth import true_slices
from tests.phantoms import SMALL_BALL, SMALL_SCAN

OBLIQUE = replace(SMALL_SCAN, position="HFDR", obliqueness=rotation((1.0, 1.0, 0.0), 10.0))
RING = HollowTube((0.0, 0.0, 0.0), 20.0, 10.0, 12.0)


def circle(radius_mm: float, centre: FloatArray, points: int = 400) -> FloatArray:
    """A circle in an axial plane, (n, 3)."""
    angle = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    return centre + radius_mm * np.stack([np.cos(angle), np.sin(angle), 0.0 * angle], axis=1)


def true_drawn(shape: Sphere | HollowTube, scan: Scan) -> dict[int, list[FloatArray]]:
    """The truth itself as drawn contours."""
    return {
        index: list(cut.contours_mm)
        for index, cut in enumerate(true_slices(shape, scan))
        if cut.contours_mm
    }


@pytest.mark.parametrize("scan", [SMALL_SCAN, OBLIQUE])
def test_the_truth_does_not_deviate_from_itself(scan: Scan) -> None:
    """Else the bounds of 0.05 mm could not be told from the yardstick's own error."""
    found = deviation(SMALL_BALL, scan, true_drawn(SMALL_BALL, scan))

    assert found.largest_mm < 1e-6
    assert abs(found.volume_error) < 1e-9
    assert (found.missed_slices, found.extra_slices) == ((), ())


def test_a_shift_in_the_plane_is_measured_at_its_full_length() -> None:
    """Half a pixel is the classic fault."""
    drawn = {
        index: [loop + np.array([0.5, 0.0, 0.0]) for loop in loops]
        for index, loops in true_drawn(SMALL_BALL, SMALL_SCAN).items()
    }

    found = deviation(SMALL_BALL, SMALL_SCAN, drawn)

    assert found.largest_off_poles_mm == pytest.approx(0.5, abs=0.01)
    assert found.mean_mm == pytest.approx(0.5 * 2 / np.pi, abs=0.02)


def test_a_contour_off_its_plane_is_refused() -> None:
    """A contour beside its slice must not be projected onto it in silence."""
    drawn = {
        index: [loop + np.array([0.0, 0.0, 0.01]) for loop in loops]
        for index, loops in true_drawn(SMALL_BALL, SMALL_SCAN).items()
    }

    with pytest.raises(StructureSetError, match="off slice"):
        deviation(SMALL_BALL, SMALL_SCAN, drawn)


def test_missed_and_extra_slices_are_named() -> None:
    """Distances alone do not see a slice without a contour."""
    drawn = true_drawn(SMALL_BALL, SMALL_SCAN)
    first = min(drawn)
    drawn[first - 1] = [circle(2.0, np.array([0.0, 0.0, height(first - 1)]))]
    del drawn[first]

    found = deviation(SMALL_BALL, SMALL_SCAN, drawn)

    assert found.missed_slices == (first,)
    assert found.extra_slices == (first - 1,)


def test_a_missing_half_of_a_contour_is_a_large_distance() -> None:
    """The way back from the truth sees what was not drawn."""
    whole = true_drawn(RING, SMALL_SCAN)
    outer_only = {i: [max(loops, key=lambda loop: np.ptp(loop))] for i, loops in whole.items()}

    found = deviation(RING, SMALL_SCAN, outer_only)

    assert found.largest_off_poles_mm == pytest.approx(10.0, abs=0.1)
    assert found.volume_error > 1 / 3


def test_keyholes_and_nested_holes_have_the_same_area_and_no_false_border() -> None:
    """A bridge is run both ways and is no border; either encoding is the same ring."""
    centre = np.array([0.0, 0.0, height(10)])
    outer, inner = circle(20.0, centre), circle(10.0, centre)[::-1]
    hole = np.roll(inner, 1, axis=0)
    keyhole = np.vstack([outer, outer[:1], hole, hole[:1]])

    nested_area = drawn_area_mm2(SMALL_SCAN, 10, [outer, inner])
    keyhole_area = drawn_area_mm2(SMALL_SCAN, 10, [keyhole])
    found = deviation(RING, replace(SMALL_SCAN, slice_offsets_mm=(height(10),)), {0: [keyhole]})

    assert nested_area == pytest.approx(np.pi * 300, rel=1e-3)
    assert keyhole_area == pytest.approx(nested_area)
    assert found.largest_mm < 0.01


def test_uneven_slices_stand_for_half_the_way_to_their_neighbours() -> None:
    """A volume by mean spacing would hide a wrong treatment of gaps."""
    scan = replace(SMALL_SCAN, slice_offsets_mm=(-2.0, 0.0, 6.0))
    shape = HollowTube((0.0, 0.0, 0.0), 20.0, 10.0, 12.0)

    volume = Truth(shape, scan).volume_mm3

    assert volume == pytest.approx(np.pi * 300 * (2.0 + 4.0 + 6.0), rel=1e-3)


def height(index: int) -> float:
    """z of a slice of the small scan."""
    return float(SMALL_SCAN.origin_mm(index)[2])


def test_poles_are_found_in_each_part_and_in_cavities() -> None:
    """Where a part or a hole begins between two slices, in-plane distances say little."""
    scan = replace(SMALL_SCAN, slice_offsets_mm=tuple(float(z) for z in range(-20, 21, 2)))
    shell = Shell((0.0, 0.0, 0.0), 15.0, 9.0)

    near = Truth(shell, scan).near_poles

    heights = sorted(scan.slice_offsets_mm[index] for index in near)
    assert heights == [-16.0, -14.0, -10.0, -8.0, 8.0, 10.0, 14.0, 16.0]
