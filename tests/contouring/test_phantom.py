"""The head-and-neck phantom and the HU that carry its fields."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.ndimage

from contouring.phantom import (
    CAPSULE_MM,
    FIELD_LIMIT_MM,
    HEAD_AND_NECK,
    HU_PER_MM,
    PhantomStructure,
)
from contouring.phantom_scan import PATIENT_POSITIONS, Scan, even_offsets
from contouring.phantom_shapes import FloatArray, rotation

STRUCTURES = [pytest.param(found, id=found.name) for found in HEAD_AND_NECK.structures]


def grid_mm(step_mm: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """x, y and z over the whole phantom, broadcastable, (z, y, x)."""
    axis = np.arange(-130.0, 130.0, step_mm)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    return x, y, z


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(a, b, id=f"{a.name}-{b.name}")
        for a, b in itertools.combinations(HEAD_AND_NECK.structures, 2)
    ],
)
def test_capsules_do_not_meet_each_other(first: PhantomStructure, second: PhantomStructure) -> None:
    """Where two capsules met, one structure's HU would overwrite the other's field."""
    step_mm = 0.5
    # Half the diagonal of a sample's cell more, so that no meeting between samples is missed.
    reach_mm = CAPSULE_MM + np.sqrt(3.0) * step_mm / 2.0
    boxes = [found.shape.bounds().grown(reach_mm) for found in (first, second)]
    low = np.max([box.low_mm for box in boxes], axis=0)
    high = np.min([box.high_mm for box in boxes], axis=0)
    axes = [np.arange(a, b + step_mm, step_mm) for a, b in zip(low, high, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)

    in_first = first.shape.field_mm(x, y, z) >= -reach_mm
    in_second = second.shape.field_mm(x, y, z) >= -reach_mm

    assert not np.any(in_first & in_second)


def test_capsules_lie_inside_the_body() -> None:
    """A capsule in the air would be a body no scanner has seen."""
    x, y, z = grid_mm(2.0)

    outside = HEAD_AND_NECK.body.radius(x, y, z) >= 1.0

    for found in HEAD_AND_NECK.structures:
        assert not np.any(outside & (found.shape.field_mm(x, y, z) >= -CAPSULE_MM)), found.name


def test_bands_are_apart_and_fit_between_bone_and_the_end_of_12_bit_ct() -> None:
    """One HU must mean one structure, and a scanner must be able to store it."""
    x, y, z = grid_mm(5.0)

    bands = [found.band_hu for found in HEAD_AND_NECK.structures]
    tissue_hu = replace(HEAD_AND_NECK, structures=()).hu(x, y, z)

    assert tissue_hu.max() + HU_PER_MM <= bands[0][0]
    assert bands[-1][1] <= 3071
    for lower, higher in itertools.pairwise(bands):
        assert higher[0] - lower[1] >= 20


def test_names_are_short_unique_and_labels_count_from_one() -> None:
    """Names go into ROI Name, labels are the model's channels."""
    structures = HEAD_AND_NECK.structures

    names = [found.name for found in structures]

    assert all(len(name) <= 16 and name.isascii() and " " not in name for name in names)
    assert len({name.lower() for name in names}) == len(names)
    assert [found.label for found in structures] == list(range(1, len(structures) + 1))


def test_bands_rise_as_structures_get_smaller() -> None:
    """The module's stated limitation: crumbs at a rim belong to larger structures."""
    x, y, z = grid_mm(2.0)

    volumes = [
        np.count_nonzero(found.shape.field_mm(x, y, z) > 0) for found in HEAD_AND_NECK.structures
    ]

    assert volumes == sorted(volumes, reverse=True)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_each_structure_has_as_many_parts_as_it_says(structure: PhantomStructure) -> None:
    """The model's card keeps that many; a part too many or too few would look like a defect."""
    box = structure.shape.bounds()
    axes = [np.arange(a - 1, b + 1, 0.5) for a, b in zip(box.low_mm, box.high_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)

    _, parts = scipy.ndimage.label(structure.shape.field_mm(x, y, z) > 0.0)

    assert parts == structure.components


@pytest.mark.parametrize("structure", STRUCTURES)
def test_whole_hu_give_the_field_back_to_a_fiftieth_of_a_mm(structure: PhantomStructure) -> None:
    """This is all the accuracy that the phantom takes from the contours."""
    scan = _scan_of(structure)
    hu = scan.hu(HEAD_AND_NECK)
    low, high = structure.band_hu

    decoded = (hu - structure.band_middle_hu) / HU_PER_MM

    true_mm = _field_on(scan, structure)
    near = np.abs(true_mm) < FIELD_LIMIT_MM
    assert np.count_nonzero(near) > 50
    assert np.abs(decoded - true_mm)[near].max() <= 0.5 / HU_PER_MM + 1e-6
    capsule = true_mm >= -CAPSULE_MM
    assert np.array_equal((hu >= low) & (hu <= high), capsule)


def test_a_scan_samples_the_same_hu_as_the_closed_form_from_any_side() -> None:
    """The fast sampling by boxes must not differ from the definition by a single unit."""
    scan = Scan(
        position="HFDL",
        rows=90,
        columns=120,
        row_spacing_mm=2.3,
        column_spacing_mm=1.9,
        slice_offsets_mm=(-61.0, -3.0, 1.5, 58.0),
        obliqueness=rotation((3.0, 1.0, -2.0), 20.0),
    )

    hu = scan.hu(HEAD_AND_NECK)

    for index in range(4):
        points = [[scan.pixel_mm(index, r, c) for c in range(120)] for r in range(90)]
        x, y, z = np.moveaxis(np.array(points), -1, 0)
        assert np.abs(hu[index] - HEAD_AND_NECK.hu(x, y, z)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("position", "image_right", "image_down"),
    [
        ("HFS", (1, 0, 0), (0, 1, 0)),
        ("HFP", (-1, 0, 0), (0, -1, 0)),
        ("FFS", (-1, 0, 0), (0, 1, 0)),
        ("FFP", (1, 0, 0), (0, -1, 0)),
        ("HFDR", (0, 1, 0), (-1, 0, 0)),
        ("HFDL", (0, -1, 0), (1, 0, 0)),
        ("FFDR", (0, -1, 0), (-1, 0, 0)),
        ("FFDL", (0, 1, 0), (1, 0, 0)),
    ],
)
def test_the_image_shows_the_gantry_from_the_foot_of_the_table(
    position: str, image_right: tuple[int, int, int], image_down: tuple[int, int, int]
) -> None:
    """The patient's lower side is the image's lower side; feet first, left and right swap."""
    scan = Scan(position=position)

    assert scan.row_direction.tolist() == list(image_right)
    assert scan.column_direction.tolist() == list(image_down)
    assert scan.normal[2] == (1.0 if position.startswith("H") else -1.0)


def test_the_centre_is_the_middle_of_the_image_also_with_non_square_pixels() -> None:
    """Else the phantom could leave the field of view of an anisotropic scan."""
    scan = Scan(
        position="FFDR",
        rows=60,
        columns=90,
        row_spacing_mm=1.5,
        column_spacing_mm=0.7,
        slice_offsets_mm=(-4.0, 0.0),
        centre_mm=(5.0, -7.0, 9.0),
    )

    corners = [scan.pixel_mm(1, row, column) for row in (0, 59) for column in (0, 89)]

    assert np.mean(corners, axis=0) == pytest.approx(scan.centre_mm)


def test_all_eight_patient_positions_are_offered() -> None:
    """DICOM PS3.3 C.7.3.1.1.2 knows eight for a lying patient."""
    assert set(PATIENT_POSITIONS) == {
        "HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"position": "SITTING"}, "is none of HFS"),
        ({"slice_offsets_mm": (2.5, 0.0)}, "ascend"),
        ({"slice_offsets_mm": ()}, "at least one"),
        ({"obliqueness": ((1, 0, 0), (0, 1, 0), (0, 0, -1))}, "rotation"),
        ({"obliqueness": ((1, 0.1, 0), (0, 1, 0), (0, 0, 1))}, "rotation"),
    ],
)
def test_a_scan_that_cannot_be_is_refused(fault: dict[str, object], reason: str) -> None:
    """A mirrored or sheared scan would make every later comparison wrong."""
    with pytest.raises(ValueError, match=reason):
        Scan(**fault)  # type: ignore[arg-type]


def _scan_of(structure: PhantomStructure) -> Scan:
    """A scan of the structure's capsule alone, 0.98 x 0.98 x 2.5 mm."""
    box = structure.shape.bounds().grown(CAPSULE_MM + 3.0)
    size = np.subtract(box.high_mm, box.low_mm)
    x, y, z = (float(value) for value in np.add(box.high_mm, box.low_mm) / 2.0)
    return Scan(
        rows=int(size[1]),
        columns=int(size[0]),
        slice_offsets_mm=even_offsets(int(size[2] / 2.5) + 1, 2.5),
        centre_mm=(x, y, z),
    )


def _field_on(scan: Scan, structure: PhantomStructure) -> FloatArray:
    slices, rows, columns = scan.shape_zyx
    first = scan.origin_mm(0)
    x = first[0] + np.arange(columns) * scan.column_spacing_mm
    y = first[1] + np.arange(rows)[:, np.newaxis] * scan.row_spacing_mm
    z = first[2] + np.arange(slices)[:, np.newaxis, np.newaxis] * 2.5
    return structure.shape.field_mm(x, y, z)
