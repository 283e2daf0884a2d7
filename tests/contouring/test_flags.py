"""Flags for a person: each with its reason, its values and its slices; none without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box

from contouring.flags import CUT_FLAGS, find_flags
from contouring.grid import Grid
from contouring.lattice import build_lattice
from contouring.masks import StructureField
from contouring.notices import Notice
from contouring.outlines import Outline, TracedStructure
from contouring.phantom_scan import PATIENT_POSITIONS, Scan, even_offsets
from contouring.structures import Structure
from contouring.volume import CTVolume
from tests.contouring.analytic_fields import empty_ct
from tests.contouring.grids import grid_of

SCAN = Scan(
    rows=80,
    columns=100,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(10, 2.5),
    centre_mm=(0.0, 0.0, 100.0),
)
SQUARE = box(40, 30, 60, 50)


def traced(
    structure: Structure, slices: Sequence[int], polygon: Polygon = SQUARE, scan: Scan = SCAN
) -> TracedStructure:
    """The same polygon on some slices."""
    heights_mm = grid_of(scan).slice_heights_mm
    volume_cm3 = sum(polygon.area * float(heights_mm[index]) for index in slices) / 1e3
    return TracedStructure(structure, tuple(Outline(k, polygon) for k in slices), volume_cm3)


def organ(name: str = "Organ", **fields: object) -> Structure:
    """A structure of the model."""
    return Structure(1, name, (0, 0, 0), **fields)  # type: ignore[arg-type]


def field(structure: Structure, margin: float, grid: Grid | None = None) -> StructureField:
    """A field of one value inside, with a border about it."""
    lattice = build_lattice(grid or grid_of(SCAN))
    values = np.full(lattice.shape_zyx, -1.0, np.float32)
    values[2:8, 20:60, 20:60] = margin
    return StructureField(structure, values, lattice)


def flags_of(one: TracedStructure, ct: CTVolume | None = None) -> dict[str, str]:
    """Texts by name of the only structure's flags."""
    found = find_flags([one], {}, ct or empty_ct(SCAN))
    return {notice.name: notice.text for notice in found[one.structure.name]}


def test_a_plain_organ_in_the_middle_of_the_scan_has_no_flag() -> None:
    """A flag that always comes is read by nobody."""
    structure = organ(volume_range_cm3=(2.0, 9.0))
    fields = {"Organ": field(structure, margin=3.0)}

    assert find_flags([traced(structure, range(2, 8))], fields, empty_ct(SCAN)) == {"Organ": ()}


def test_what_was_not_found_has_no_flag_but_is_named() -> None:
    """Whoever asks for its flags gets none, not an error."""
    nothing = TracedStructure(organ("Missing"), (), 0.0)

    assert find_flags([nothing], {}, empty_ct(SCAN)) == {"Missing": ()}


@pytest.mark.parametrize(
    ("position", "first", "last"),
    [("HFS", "inferior", "superior"), ("FFS", "superior", "inferior")],
)
def test_a_structure_at_the_scan_s_end_says_at_which(position: str, first: str, last: str) -> None:
    """The side of the patient, not of the table; and where to look."""
    scan = replace(SCAN, position=position)

    low = flags_of(traced(organ(), range(4), scan=scan), empty_ct(scan))["cut-by-scan-end"]
    high = flags_of(traced(organ(), range(5, 10), scan=scan), empty_ct(scan))["cut-by-scan-end"]
    both = flags_of(traced(organ(), range(10), scan=scan), empty_ct(scan))["cut-by-scan-end"]

    assert f"reaches the scan's {first} end (slice 1 of 10, z = " in low
    assert f"reaches the scan's {last} end (slice 10 of 10, z = " in high
    assert first in both
    assert last in both


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_the_end_named_is_the_one_that_lies_there(position: str) -> None:
    """By z in the patient: the higher one is superior."""
    scan = replace(SCAN, position=position)
    heights = grid_of(scan).positions_mm[:, 2]
    top = int(heights.argmax())

    text = flags_of(traced(organ(), [top, abs(top - 1)], scan=scan), empty_ct(scan))

    assert "superior end" in text["cut-by-scan-end"]
    assert f"z = {heights[top]:.1f} mm" in text["cut-by-scan-end"]


def test_the_body_always_reaches_the_scan_s_ends() -> None:
    """So that is no news of it."""
    body = organ("External", interpreted_type="EXTERNAL")

    assert flags_of(traced(body, range(10))) == {}


@pytest.mark.parametrize(
    "polygon",
    [box(-0.5, 30, 20, 50), box(80, 30, 99.5, 50), box(40, -0.5, 60, 9), box(40, 60, 60, 79.5)],
    ids=["left", "right", "top", "bottom"],
)
def test_a_structure_at_the_image_s_edge_is_cut_by_the_field_of_view(polygon: Polygon) -> None:
    """Traced half a pixel beyond the last centre: the rest was not seen."""
    text = flags_of(traced(organ(), range(3, 6), polygon))["cut-by-field-of-view"]

    assert "on 3 slices, from slice 4 of 10, z = 96.2 mm to slice 6 of 10" in text


def test_a_structure_at_the_edge_of_what_the_scanner_reconstructed_is_cut_too() -> None:
    """The circle within the square image."""
    y, x = np.mgrid[:80, :100]
    in_view = np.hypot(x - 49.5, y - 39.5) < 30.0
    ct = replace(empty_ct(SCAN), in_view=in_view)
    clipped = shapely.Point(49.5, 39.5).buffer(29.8) & box(60, 0, 100, 80)

    assert "cut-by-field-of-view" in flags_of(traced(organ(), range(3, 6), clipped), ct)
    assert flags_of(traced(organ(), range(3, 6)), ct) == {}


def test_the_flags_that_make_a_structure_a_part_of_one_are_known_by_name() -> None:
    """Templates put a `~` into the names of those."""
    touching = traced(organ(), range(10), box(-0.5, 30, 20, 50))

    assert set(flags_of(touching)) == CUT_FLAGS


@given(volume_cm3=st.floats(0.5, 50.0), is_cut=st.booleans())
def test_a_volume_outside_the_known_range_is_flagged(volume_cm3: float, is_cut: bool) -> None:
    """Too small is no news of a structure that was cut; too large is of any."""
    structure = organ(volume_range_cm3=(5.0, 20.0))
    drawn = replace(traced(structure, [0, 1] if is_cut else [3, 4]), volume_cm3=volume_cm3)

    text = flags_of(drawn).get("volume-unusual", "")

    expected = volume_cm3 > 20.0 or (volume_cm3 < 5.0 and not is_cut)
    assert bool(text) == expected
    assert not text or f"{volume_cm3:.1f} cm3, outside the 5 to 20 cm3" in text
    assert ("drawn too large" in text) == (volume_cm3 > 20.0)
    assert ("missed in part" in text) == (bool(text) and volume_cm3 < 5.0)


def test_one_slice_alone_is_flagged() -> None:
    """Nothing is one slice high."""
    assert "slice 5 of 10, z = " in flags_of(traced(organ(), [4]))["single-slice"]


def test_a_gap_inside_names_the_slices_without_a_contour() -> None:
    """Some systems close it, some do not."""
    text = flags_of(traced(organ(), [1, 2, 4, 7, 8]))["gap-inside"]

    assert "not on slice 4 of 10, z = 96.2 mm; slice 6 of 10, z = 101.2 mm to slice 7 of 10" in text


def test_two_parts_of_a_structure_may_lie_one_above_the_other() -> None:
    """Lymph nodes, say; a third part may not."""
    nodes = organ(components=2)

    assert flags_of(traced(nodes, [1, 2, 5, 6])) == {}
    assert "gap-inside" in flags_of(traced(nodes, [1, 2, 4, 6]))


@pytest.mark.parametrize(
    ("islands", "dropped_cm3", "is_flagged"),
    [(1, 0.0, False), (3, 0.05, False), (3, 0.13, True), (2, 0.6, True)],
)
def test_parts_that_were_left_out_are_flagged_if_they_are_large(
    islands: int, dropped_cm3: float, is_flagged: bool
) -> None:
    """Crumbs are what networks scatter; a second parotid is not. 5 % of 2.4 cm3 are 0.12."""
    structure = organ()
    parts = replace(field(structure, 3.0), islands=islands, dropped_cm3=dropped_cm3)

    (notices,) = find_flags(
        [traced(structure, range(3, 6), box(40, 30, 58, 48))], {"Organ": parts}, empty_ct(SCAN)
    ).values()

    assert [notice.name for notice in notices] == ["several-parts"] * is_flagged
    assert not notices or f"{islands} separate parts" in notices[0].text
    assert not notices or f"{dropped_cm3:.2f} cm3 left out" in notices[0].text


def test_two_parts_of_two_are_no_news() -> None:
    """Both are kept."""
    pair = organ(components=2)
    parts = replace(field(pair, 3.0), islands=2, kept=2, dropped_cm3=0.0)

    assert find_flags([traced(pair, [3, 4])], {"Organ": parts}, empty_ct(SCAN))["Organ"] == ()


def test_lesions_may_lie_anywhere_but_those_left_out_are_told_of_with_the_rule() -> None:
    """Any number of parts, with any gaps; one that touches no organ may be one all the same."""
    tumour = organ(components=None, touches=("Liver",))
    parts = replace(field(tumour, 3.0), islands=5, kept=3, dropped_cm3=0.8)

    (notices,) = find_flags([traced(tumour, [2, 3, 6])], {"Organ": parts}, empty_ct(SCAN)).values()

    assert [notice.name for notice in notices] == ["several-parts"]
    assert "seen in 5 separate parts, of which 3 (" in notices[0].text
    assert notices[0].text.endswith("The model keeps no part of Organ but those that touch Liver.")


@pytest.mark.parametrize(("margin", "is_flagged"), [(0.2, True), (1.0, True), (1.2, False)])
def test_a_network_that_is_unsure_all_through_is_flagged(margin: float, is_flagged: bool) -> None:
    """3 to 1 is a logit margin of 1.10."""
    structure = organ()
    found = find_flags(
        [traced(structure, [3, 4])], {"Organ": field(structure, margin)}, empty_ct(SCAN)
    )

    assert [notice.name for notice in found["Organ"]] == ["low-confidence"] * is_flagged
    ratio = f"less than {np.exp(margin):.1f} times"
    assert not is_flagged or ratio in found["Organ"][0].text


def test_derived_structures_are_not_judged_by_a_network_s_measure() -> None:
    """Their fields are millimetres."""
    made = replace(organ(), label=0)

    flags = find_flags([traced(made, [3, 4])], {"Organ": field(made, 0.2)}, empty_ct(SCAN))

    assert flags == {"Organ": ()}


def test_flags_are_notices_in_full_sentences() -> None:
    """They stand in reports and files by themselves."""
    wrong = organ("Cord", volume_range_cm3=(50.0, 60.0))

    flags = find_flags([traced(wrong, [0, 3])], {"Cord": field(wrong, 0.2)}, empty_ct(SCAN))["Cord"]

    assert [flag.name for flag in flags] == ["cut-by-scan-end", "gap-inside", "low-confidence"]
    assert all(isinstance(flag, Notice) for flag in flags)
    assert all("Cord" in flag.text and flag.text.endswith(".") for flag in flags)
