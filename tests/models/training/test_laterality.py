"""A mirrored patient's left parotid is a right one."""

from __future__ import annotations

import pytest

from models.training.laterality import UnpairedStructureError, mirrored_labels, mirrored_name


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Parotid_R", "Parotid_L"),
        ("Glnd_Adrenal_L", "Glnd_Adrenal_R"),
        ("Lung_R_Lower", "Lung_L_Lower"),
        ("Liver", "Liver"),
        ("V_Venacava_I", "V_Venacava_I"),
        ("Fossa_Rhomboid", "Fossa_Rhomboid"),
    ],
)
def test_only_the_side_in_a_name_is_swapped(name: str, other: str) -> None:
    """TG-263 makes the side a part of its own, between underscores or at the end."""
    assert mirrored_name(name) == other


def test_labels_of_both_sides_change_places() -> None:
    """Background and what lies in the middle stay."""
    assert list(mirrored_labels(("Cord", "Eye_R", "Eye_L"))) == [0, 1, 3, 2]


def test_one_side_alone_cannot_be_mirrored() -> None:
    """Its mirror image would be an organ without a name, learned as background."""
    with pytest.raises(UnpairedStructureError, match="Eye_R has no Eye_L"):
        mirrored_labels(("Eye_R",))
