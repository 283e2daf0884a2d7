"""Pictures must show the patient's sides where they truly are: people believe pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.commission.cuts import Cut, choose_cuts, letter, shown
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_deviation import Truth
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.phantom_shapes import FloatArray, rotation

SIDES = {
    "R": (-1.0, 0.0, 0.0),
    "L": (1.0, 0.0, 0.0),
    "A": (0.0, -1.0, 0.0),
    "P": (0.0, 1.0, 0.0),
    "F": (0.0, 0.0, -1.0),
    "H": (0.0, 0.0, 1.0),
}
SCANS = [Scan(position=position) for position in PATIENT_POSITIONS]
OBLIQUE = Scan(position="HFP", obliqueness=rotation((1.0, 0.5, 0.0), 12.0))


def cut_of(scan: Scan, ct_axis: int, index: int) -> Cut:
    """A cut that shows all structures."""
    return Cut(scan, ct_axis, index, *shown(HEAD_AND_NECK, scan))


def voxel_on_cut(cut: Cut, point_mm: FloatArray) -> FloatArray:
    """(across, down) of a patient point, by the standard's formula alone (PS3.3 C.7.6.2.1.1)."""
    scan = cut.scan
    offset = point_mm - scan.origin_mm(0)
    places = {
        0: offset @ np.cross(scan.row_direction, scan.column_direction),
        1: offset @ scan.column_direction,
        2: offset @ scan.row_direction,
    }
    across, down = (axis for axis in (2, 1, 0) if axis != cut.ct_axis)
    return np.array([[places[across], places[down]]])


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.position)
@pytest.mark.parametrize("ct_axis", [0, 1, 2])
def test_letters_stand_where_the_patients_sides_are(scan: Scan, ct_axis: int) -> None:
    """A step towards the patient's left goes to the edge that says L, in every position."""
    cut = cut_of(scan, ct_axis, 50)
    start = cut.on_picture(voxel_on_cut(cut, np.zeros(3)))
    edges = cut.letters

    steps = {
        name: cut.on_picture(voxel_on_cut(cut, 10.0 * np.array(side))) - start
        for name, side in SIDES.items()
    }

    assert steps[edges.left][0] == pytest.approx([-10.0, 0.0])
    assert steps[edges.right][0] == pytest.approx([10.0, 0.0])
    assert steps[edges.top][0] == pytest.approx([0.0, -10.0])
    assert steps[edges.bottom][0] == pytest.approx([0.0, 10.0])


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.position)
def test_the_head_is_up_in_every_cut_through_the_stack(scan: Scan) -> None:
    """As people are used to, whichever way the slices run."""
    tops = {cut_of(scan, ct_axis, 100).letters.top for ct_axis in (1, 2)}

    assert tops == {"H"}


def test_an_axial_picture_is_the_slice_as_it_is_stored() -> None:
    """It can be laid beside the viewer's picture of the same slice."""
    letters = {
        scan.position: (cut_of(scan, 0, 50).letters.top, cut_of(scan, 0, 50).letters.left)
        for scan in SCANS
    }

    assert letters == {
        "HFS": ("A", "R"),
        "HFP": ("P", "L"),
        "HFDR": ("L", "A"),
        "HFDL": ("R", "P"),
        "FFS": ("A", "L"),
        "FFP": ("P", "R"),
        "FFDR": ("L", "P"),
        "FFDL": ("R", "A"),
    }


@pytest.mark.parametrize("scan", [*SCANS, OBLIQUE], ids=lambda scan: scan.position)
def test_the_axial_cuts_show_every_structure(scan: Scan) -> None:
    """A structure without a picture is one that nobody looked at."""
    cuts = choose_cuts(HEAD_AND_NECK, scan)

    seen = {
        found.name
        for found in HEAD_AND_NECK.structures
        if any(cut.ct_axis == 0 and cut.true_lines(found.shape) for cut in cuts)
    }

    assert len(seen) == len(HEAD_AND_NECK.structures)
    assert {cut.title.split(",")[0] for cut in cuts} == {"Axial", "Coronal", "Sagittal"}


@pytest.mark.parametrize("scan", [SCANS[0], SCANS[6], OBLIQUE], ids=lambda scan: scan.position)
@pytest.mark.parametrize("ct_axis", [1, 2])
def test_points_of_true_contours_lie_on_the_true_line_of_a_cut(scan: Scan, ct_axis: int) -> None:
    """Two ways to the same place: slice by slice, and straight through the stack."""
    ellipsoid = HEAD_AND_NECK.structure("Ellipsoid").shape
    box = ellipsoid.bounds()
    middle = (np.array(box.low_mm) + box.high_mm) / 2.0 - scan.origin_mm(0)
    spacing = (scan.row_spacing_mm, scan.column_spacing_mm)[ct_axis - 1]
    direction = (scan.column_direction, scan.row_direction)[ct_axis - 1]
    cut = cut_of(scan, ct_axis, round(float(middle @ direction) / spacing))
    slices = {i: list(true.contours_mm) for i, true in enumerate(Truth(ellipsoid, scan).slices)}

    points = cut.drawn_points(slices)
    (line,) = cut.true_lines(ellipsoid)

    apart = np.linalg.norm(points[:, None] - line[None], axis=-1).min(axis=1)
    assert len(points) > 10
    assert apart.max() < 0.2


def test_a_slice_shows_lines_and_a_cut_through_the_stack_shows_points() -> None:
    """Nothing is drawn that is not in the file."""
    scan = SCANS[0]
    square = scan.pixel_mm(50, 200, 200) + 10.0 * np.array(
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    )

    axial, other_slice, coronal = cut_of(scan, 0, 50), cut_of(scan, 0, 51), cut_of(scan, 1, 205)

    assert len(axial.drawn_lines({50: [square]})) == 4
    assert len(axial.drawn_points({50: [square]})) == 0
    assert other_slice.drawn_lines({50: [square]}) == []
    assert coronal.drawn_lines({50: [square]}) == []
    assert np.ptp(coronal.drawn_points({50: [square]}), axis=0) == pytest.approx([10.0, 0.0])


def test_what_lies_elsewhere_has_no_line_on_a_cut() -> None:
    """The top ball is not on a slice through the neck."""
    cut = cut_of(SCANS[0], 0, 20)

    assert cut.true_lines(HEAD_AND_NECK.structure("Sphere30").shape) == []


def test_a_phantom_between_two_cuts_is_shown_by_as_many_as_there_are() -> None:
    """A scan of thick slices may show no slice well inside a small structure."""
    nodule = replace(HEAD_AND_NECK, structures=HEAD_AND_NECK.structures[-1:])
    thick = replace(SCANS[0], slice_offsets_mm=(-60.0, 0.0, 60.0, 120.0))

    cuts = choose_cuts(nodule, thick)

    assert [cut.ct_axis for cut in cuts] == [1, 2]


@pytest.mark.parametrize(("name", "side"), SIDES.items())
def test_a_direction_has_the_letter_of_the_nearest_side(
    name: str, side: tuple[float, float, float]
) -> None:
    """Oblique scans have no exact side."""
    tilted = np.array(rotation((1.0, 1.0, 1.0), 20.0)) @ np.array(side)

    assert letter(tilted) == name
