"""Names of parts of organs, and names at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.roi_names import is_roi_name, mark_cut


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("Lung_L", "Lung~_L"),
        ("Brain", "Brain~"),
        ("SpinalCord_PRV05", "SpinalCor~_PRV05"),
        ("Glnd_Submand_L", "Glnd_Submand~_L"),
        ("V_Venacava_I", "V_Venacava~_I"),
        ("Bowel_Large", "Bowel_Large~"),
        ("Lung_LUL", "Lung~_LUL"),
        ("Heart^AI", "Heart~^AI"),
        ("Kidney_R_PRV", "Kidney~_R_PRV"),
        ("Lung~_L", "Lung~_L"),
        ("Musc_Constrict_S", "Musc_Constric~_S"),
        ("OpticChiasm_PRV3", "OpticChias~_PRV3"),
        ("_L", "_L~"),
    ],
)
def test_the_mark_stands_after_the_organ_s_own_name(name: str, marked: str) -> None:
    """TG-263 writes Lung~_L; a mark at the end would be taken for part of the side."""
    assert mark_cut(name, 16) == marked


def test_a_name_with_no_room_for_the_mark_stays() -> None:
    """A name of qualifiers alone names no organ."""
    assert mark_cut("Ab^" + "x" * 13, 14) == "Ab^" + "x" * 13


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16))
def test_a_marked_name_keeps_the_limit(name: str) -> None:
    """Whatever the name."""
    assert len(mark_cut(name, 16)) <= 16


@pytest.mark.parametrize(
    ("name", "fits"),
    [("A", True), ("A" * 16, True), ("A" * 17, False), ("", False), ("A B", False), ("Ä", False)],
)
def test_a_name_is_ascii_without_space_and_within_the_limit(name: str, fits: bool) -> None:
    """TG-263 section 7.2, rules 1 and 2."""
    assert is_roi_name(name, 16) is fits
