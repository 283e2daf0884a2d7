"""Flags between two structures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shapely
import shapely.affinity
from shapely import box

from contouring.outlines import Outline, TracedStructure
from contouring.pair_flags import find_pair_flags
from contouring.phantom_scan import PATIENT_POSITIONS, Scan, even_offsets
from contouring.structures import Structure
from tests.contouring.grids import grid_of

SCAN = Scan(
    rows=80,
    columns=100,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(10, 2.0),
)
BALLS = {"left": (25.0, 0.0), "right": (-25.0, 3.0)}


def ball(name: str, side: str, scan: Scan, label: int = 1) -> TracedStructure:
    """A disc about a place in the patient, on five slices."""
    x, y = BALLS[side]
    outlines = []
    for index in range(3, 8):
        origin, grid = scan.origin_mm(index), grid_of(scan)
        offset = [x - origin[0], y - origin[1], 0.0]
        place = shapely.Point(offset @ grid.row_direction, offset @ grid.column_direction)
        outlines.append(Outline(index, place.buffer(8.0)))
    return TracedStructure(Structure(label, name, (0, 0, 0)), tuple(outlines), 2.0)


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_left_and_right_are_the_patient_s(position: str) -> None:
    """In every position; swapped ones are flagged on both, and only those."""
    scan = replace(SCAN, position=position, columns=80)
    left, right = ball("Parotid_L", "left", scan), ball("Parotid_R", "right", scan)
    swapped = ball("Parotid_L", "right", scan), ball("Parotid_R", "left", scan)

    assert find_pair_flags([left, right], grid_of(scan)) == {}
    flags = find_pair_flags(swapped, grid_of(scan))

    assert set(flags) == {"Parotid_L", "Parotid_R"}
    assert {notice.name for notices in flags.values() for notice in notices} == {"sides-swapped"}
    assert "Parotid_L (x = -25.0 mm)" in flags["Parotid_R"][0].text
    assert "Parotid_R (x = 25.0 mm)" in flags["Parotid_R"][0].text


def test_a_side_without_its_other_has_nothing_to_be_compared_with() -> None:
    """Nor has a name that has no side."""
    alone = [ball("Eye_L", "right", SCAN), ball("Lung_R", "left", SCAN), ball("Cord", "left", SCAN)]

    assert not any(
        notice.name == "sides-swapped"
        for notices in find_pair_flags(alone, grid_of(SCAN)).values()
        for notice in notices
    )


def slab(name: str, low: float, high: float, label: int = 1) -> TracedStructure:
    """A box from `low` to `high` along the columns, in two parts, on slices 2 to 5."""
    outlines = [
        Outline(index, part)
        for index in range(2, 6)
        for part in (box(low, 10, high, 30), box(low, 40, high, 60))
    ]
    volume_cm3 = 4 * 2.0 * 40 * (high - low) / 1e3
    return TracedStructure(Structure(label, name, (0, 0, 0)), tuple(outlines), volume_cm3)


@pytest.mark.parametrize(
    ("start", "is_flagged"),
    [(30.0, False), (29.9, False), (29.0, True)],
    ids=["side by side", "by the lines' tolerance", "1 mm"],
)
def test_organs_that_overlap_are_flagged_with_the_volume(start: float, is_flagged: bool) -> None:
    """A place belongs to one organ; two simplified lines may cross a little."""
    flags = find_pair_flags([slab("A", 10, 30), slab("B", start, 60)], grid_of(SCAN))

    assert set(flags) == ({"A", "B"} if is_flagged else set())
    assert not is_flagged or flags["A"][0].name == "overlap"
    assert (
        not is_flagged or "A and B overlap by 0.32 cm3, most on slice 3 of 10" in flags["A"][0].text
    )


def test_a_large_organ_may_overlap_another_by_less_than_a_hundredth() -> None:
    """Simplified lines along a long border; 0.13 cm3 of 16 are nothing to look for."""
    flags = find_pair_flags([slab("A", 0, 50.4), slab("B", 50, 100)], grid_of(SCAN))

    assert flags == {}


def test_derived_structures_may_overlap_what_they_are_made_of() -> None:
    """They are meant to."""
    flags = find_pair_flags([slab("A", 10, 30), slab("A_PRV", 5, 35, label=0)], grid_of(SCAN))

    assert flags == {}


def test_organs_on_different_slices_do_not_meet() -> None:
    """One above the other."""
    above = slab("A", 10, 30)
    below = TracedStructure(
        Structure(2, "B", (0, 0, 0)), tuple(Outline(8, o.polygon) for o in above.outlines[:2]), 1.0
    )

    assert find_pair_flags([above, below], grid_of(SCAN)) == {}


def test_parts_of_one_organ_that_cross_each_other_are_counted_once() -> None:
    """Two lines that were simplified one by one; as areas that cross they cannot be intersected."""
    star = [
        shapely.affinity.rotate(box(10, 10 + step, 30, 30 - step), 7 * step) for step in range(8)
    ]
    outlines = tuple(Outline(index, part) for index in range(2, 6) for part in star)
    crossing = TracedStructure(Structure(1, "A", (0, 0, 0)), outlines, 4.0)

    flags = find_pair_flags([crossing, slab("B", 0, 20, label=2)], grid_of(SCAN))

    common_cm3 = shapely.intersection(shapely.union_all(star), box(0, 10, 20, 30)).area * 8 / 1e3
    assert f"A and B overlap by {common_cm3:.2f} cm3" in flags["A"][0].text
