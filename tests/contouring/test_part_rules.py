"""Which parts of a structure are kept: by size, by touch and by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.fields import Fields
from contouring.masks import StructureField, select_structures
from contouring.phantom_scan import Scan, even_offsets
from contouring.structures import Structure
from tests.contouring.grids import (
    SCANS_AND_OBLIQUE,
    UNEVEN_SCAN,
    FloatArray,
    grid_of,
    name_of,
    voxels_mm,
)
from tests.contouring.predictors import fields_of

ROOM = replace(UNEVEN_SCAN, rows=40, columns=50, slice_offsets_mm=even_offsets(20, 2.0))
ORGAN = Structure(1, "Liver", (255, 0, 0))
OTHER = Structure(2, "Spleen", (0, 255, 0))
TUMOUR = Structure(3, "Tumour", (0, 0, 255), components=None)
ON_ORGANS = replace(TUMOUR, touches=("Liver", "Spleen"))
Ball = tuple[tuple[float, float, float], float]
# Of the tumour: on the liver, on the spleen, on the liver's far crumb, and on nothing.
LIVER: tuple[Ball, ...] = (((-12.0, 0.0, 0.0), 8.0), ((12.0, -22.0, 10.0), 3.0))
SPLEEN: tuple[Ball, ...] = (((18.0, 14.0, 0.0), 6.0),)
ON_LIVER: Ball = ((-1.0, 0.0, 0.0), 5.0)
ON_SPLEEN: Ball = ((18.0, 5.0, 0.0), 4.5)
ON_CRUMB: Ball = ((12.0, -16.0, 10.0), 4.0)
ALONE: Ball = ((-10.0, -24.0, -10.0), 6.0)
PARTS = (ON_LIVER, ON_SPLEEN, ON_CRUMB, ALONE)


def balls(scan: Scan, parts: tuple[Ball, ...]) -> FloatArray:
    """Signed distance to balls given by offset from the scan's centre and radius."""
    points = voxels_mm(scan) - np.array(scan.centre_mm)
    distances = [r - np.linalg.norm(points - offset, axis=-1) for offset, r in parts]
    return np.asarray(np.max(distances, axis=0))


def fields(scan: Scan = ROOM, parts: tuple[Ball, ...] = PARTS) -> Fields:
    """Liver, spleen and tumour in that order."""
    liver, spleen, tumour = (balls(scan, one) for one in (LIVER, SPLEEN, parts))
    return fields_of(grid_of(scan), [np.zeros_like(liver), liver, spleen, tumour])


def holds(scan: Scan, one: StructureField, ball: Ball) -> bool:
    """Whether a ball's middle is inside of a structure."""
    offsets = voxels_mm(scan) - np.array(scan.centre_mm) - ball[0]
    place = np.unravel_index(np.linalg.norm(offsets, axis=-1).argmin(), offsets.shape[:3])
    along_ct = one.lattice.to_ct_axes(one.field) > 0
    own = grid_of(scan).axes_mm
    at = [
        int(np.abs(samples - own[axis][place[axis]]).argmin())
        for axis, samples in enumerate(one.lattice.axes_mm)
    ]
    is_there = all(
        abs(one.lattice.axes_mm[axis][at[axis]] - own[axis][place[axis]]) < 1e-6
        for axis in range(3)
    )
    return is_there and bool(along_ct[tuple(at)])


@pytest.mark.parametrize(
    "scan",
    [replace(ROOM, position=s.position, obliqueness=s.obliqueness) for s in SCANS_AND_OBLIQUE],
    ids=[name_of(scan) for scan in SCANS_AND_OBLIQUE],
)
def test_a_tumour_keeps_the_parts_that_touch_an_organ_s_kept_parts(scan: Scan) -> None:
    """Tumours grow on organs; a crumb that is itself left out is no organ."""
    *_, tumour = select_structures(fields(scan), (ORGAN, OTHER, ON_ORGANS))

    assert [holds(scan, tumour, part) for part in PARTS] == [True, True, False, False]
    assert (tumour.islands, tumour.kept) == (4, 2)
    assert tumour.dropped_cm3 == pytest.approx(4 / 3 * np.pi * (4.0**3 + 6.0**3) / 1e3, rel=0.15)


@pytest.mark.parametrize("order", [(ORGAN, OTHER, ON_ORGANS), (ON_ORGANS, OTHER, ORGAN)])
def test_the_order_of_structures_decides_nothing(order: tuple[Structure, ...]) -> None:
    """A card may name its tumour first; the answer is in the card's order."""
    order = tuple(replace(one, label=label) for one, label in zip(order, (1, 2, 3), strict=True))
    made = {"Liver": 1, "Spleen": 2, "Tumour": 3}
    margins = {one.label: fields().margins[made[one.name]] for one in order}

    selected = select_structures(Fields(fields().lattice, margins), order)

    assert [one.structure.name for one in selected] == [one.name for one in order]
    (tumour,) = (one for one in selected if one.structure.name == "Tumour")
    assert tumour.kept == 2


def test_only_the_organs_named_count_as_touched() -> None:
    """A lesion of the liver is not one of the spleen."""
    of_liver = replace(TUMOUR, touches=("Liver",))

    *_, tumour = select_structures(fields(), (ORGAN, OTHER, of_liver))

    assert [holds(ROOM, tumour, part) for part in PARTS] == [True, False, False, False]


def test_all_parts_are_kept_where_the_card_says_all() -> None:
    """Several lesions are several, however many."""
    *_, tumour = select_structures(fields(), (ORGAN, OTHER, TUMOUR))

    assert (tumour.islands, tumour.kept, tumour.dropped_cm3) == (4, 4, 0.0)


@pytest.mark.parametrize("components", [1, 2])
def test_the_largest_are_chosen_among_those_that_touch(components: int) -> None:
    """The largest of all touches nothing here."""
    wanted = replace(ON_ORGANS, components=components)

    *_, tumour = select_structures(fields(), (ORGAN, OTHER, wanted))

    assert [holds(ROOM, tumour, part) for part in PARTS[:2]] == [True, components == 2]
    assert not holds(ROOM, tumour, ALONE)
    assert tumour.kept == components


@pytest.mark.parametrize("scan", [ROOM, UNEVEN_SCAN], ids=["even", "uneven"])
def test_parts_below_the_least_volume_are_left_out(scan: Scan) -> None:
    """In cm3 of the patient, whatever the slices' distances."""
    large, small = ((-8.0, -6.0, -5.0), 6.0), ((7.0, 6.0, 4.0), 4.0)
    both = balls(scan, (large, small))
    logits = fields_of(grid_of(scan), [np.zeros_like(both), both])
    least = replace(ORGAN, components=None, minimum_cm3=0.5)  # between 0.27 and 0.90

    (kept,) = select_structures(logits, (least,))

    assert (holds(scan, kept, large), holds(scan, kept, small)) == (True, False)
    assert (kept.islands, kept.kept) == (2, 1)
    assert kept.dropped_cm3 == pytest.approx(0.27, rel=0.15)


def test_a_structure_of_which_nothing_is_kept_is_not_found() -> None:
    """Else it would count as drawn, and be empty."""
    wanted = (ORGAN, OTHER, ON_ORGANS)

    selected = select_structures(fields(parts=(ALONE,)), wanted)

    assert [one.structure.name for one in selected] == ["Liver", "Spleen"]


def test_conditions_are_told_in_words() -> None:
    """They stand in the report, where a part was left out."""
    both = replace(ON_ORGANS, minimum_cm3=0.5)

    assert ORGAN.condition == ""
    assert ON_ORGANS.condition == " that touch Liver or Spleen"
    assert both.condition == " of at least 0.5 cm3 that touch Liver or Spleen"
