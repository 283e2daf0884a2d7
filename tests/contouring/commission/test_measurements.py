"""The measure of a written file: each fault it must see is put into a right one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from contouring.commission import limits
from contouring.commission.limits import find_limits
from contouring.commission.measurements import (
    FileResult,
    Gauge,
    Measurement,
    RoiWanted,
    find_wanted,
)
from contouring.commission.runs import CommissioningReport
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_deviation import Deviation, Truth
from contouring.phantom_scan import Scan
from contouring.structures import Structure
from contouring.template import Template, WantedStructure
from tests.conftest import REPOSITORY
from tests.contouring.commission.conftest import CLINIC, COURSE, TEMPLATES

FOUND = Deviation(0.01, 0.1, 0.1, 5, 1000.0, 1000.0, (), ())
LIMITS = find_limits(Truth(COURSE.phantom.structures[0].shape, COURSE.scans[0]))
WANTED = RoiWanted("Sphere30", "Ball", (1, 2, 3))


@pytest.fixture(scope="session")
def gauge(report: CommissioningReport) -> Gauge:
    """For the first position."""
    files = sorted((report.path.parent / "HFS" / "ct").iterdir())
    truths = {s.name: Truth(s.shape, COURSE.scans[0]) for s in COURSE.phantom.structures}
    structures = [Structure(s.label, s.name, s.colour_rgb) for s in COURSE.phantom.structures]
    return Gauge(truths, structures, files)


@pytest.fixture
def dataset(report: CommissioningReport) -> Dataset:
    """A right structure set, to be spoilt: the large ball first, then the small one."""
    return pydicom.dcmread(report.path.parent / "HFS" / "generic.rtstruct.dcm")


def measured(gauge: Gauge, dataset: Dataset, template: Template = TEMPLATES[0]) -> FileResult:
    """The dataset as bytes, measured."""
    buffer = BytesIO()
    dataset.save_as(buffer)
    return gauge.measure(buffer.getvalue(), template, "file")


def move_points(dataset: Dataset, moved: Callable[[np.ndarray], np.ndarray]) -> None:
    """Put every point of every contour elsewhere."""
    for roi in dataset.ROIContourSequence:
        for contour in roi.ContourSequence:
            points = moved(np.array(contour.ContourData, float).reshape(-1, 3))
            contour.ContourData = [f"{value:.3f}" for value in points.ravel()]


def mirror(dataset: Dataset) -> None:
    """Left for right, on the right slices."""
    move_points(dataset, lambda points: points * np.array([-1.0, 1.0, 1.0]))


def shift(dataset: Dataset) -> None:
    """By half a pixel."""
    move_points(dataset, lambda points: points + np.array([0.5, 0.0, 0.0]))


def lift(dataset: Dataset) -> None:
    """Off the planes of the slices."""
    move_points(dataset, lambda points: points + np.array([0.0, 0.0, 0.01]))


def drop_contour(dataset: Dataset) -> None:
    """The first slice of the large ball has none."""
    del dataset.ROIContourSequence[0].ContourSequence[0]


def drop_contours(dataset: Dataset) -> None:
    """The large ball has none at all."""
    del dataset.ROIContourSequence[0].ContourSequence


def move_to_next_slice(dataset: Dataset) -> None:
    """A contour more, beyond the top of the large ball, on its own plane."""
    contours = dataset.ROIContourSequence[0].ContourSequence
    last = Dataset.from_json(contours[-1].to_json())
    slices = dataset.ReferencedFrameOfReferenceSequence[0]
    slices = slices.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].ContourImageSequence
    uids = [item.ReferencedSOPInstanceUID for item in slices]
    place = uids.index(contours[-1].ContourImageSequence[0].ReferencedSOPInstanceUID)
    last.ContourImageSequence[0].ReferencedSOPInstanceUID = uids[place + 1]
    points = np.array(last.ContourData, float).reshape(-1, 3) + np.array([0.0, 0.0, 2.5])
    last.ContourData = [f"{value:.3f}" for value in points.ravel()]
    contours.append(last)


def rename(dataset: Dataset) -> None:
    """The large ball has another name."""
    dataset.StructureSetROISequence[0].ROIName = "Sphere_30"


def swap_names(dataset: Dataset) -> None:
    """Each ball has the other's name."""
    first, second = dataset.StructureSetROISequence
    first.ROIName, second.ROIName = second.ROIName, first.ROIName


def recolour(dataset: Dataset) -> None:
    """The large ball has another colour."""
    dataset.ROIContourSequence[0].ROIDisplayColor = [0, 0, 0]


def drop_colour(dataset: Dataset) -> None:
    """The large ball has none."""
    del dataset.ROIContourSequence[0].ROIDisplayColor


def refer_elsewhere(dataset: Dataset) -> None:
    """A contour belongs to a slice of another series."""
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = "2.25.1"


def refer_nowhere(dataset: Dataset) -> None:
    """A contour belongs to no slice."""
    del dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence


def cut_short(dataset: Dataset) -> None:
    """A contour of two points."""
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = contour.ContourData[:6]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (mirror, "mm off"),
        (shift, "mean distance is above 0.05 mm"),
        (lift, "off slice"),
        (drop_contour, "Slices without a contour: 1"),
        (drop_contours, "Its volume is more than 0.3% off"),
        (move_to_next_slice, "Slices with a contour too many: 1"),
        (rename, "It is not in the file"),
        (swap_names, "mean distance"),
        (recolour, "Its colour is not the one asked for"),
        (drop_colour, "Its colour is not the one asked for"),
        (refer_elsewhere, "refers to no slice"),
        (refer_nowhere, "refers to no slice"),
        (cut_short, "2 points"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_spoilt_file_does_not_pass(
    gauge: Gauge, dataset: Dataset, spoil: Callable[[Dataset], None], says: str
) -> None:
    """A measure that sees no fault proves nothing."""
    right = measured(gauge, dataset)

    spoil(dataset)
    result = measured(gauge, dataset)

    texts = [*result.faults, *(text for one in result.measurements for text in one.breaches)]
    assert right.passed
    assert not result.passed
    assert any(says in text for text in texts), texts


def test_contours_that_no_one_asked_for_are_a_fault(gauge: Gauge, dataset: Dataset) -> None:
    """Someone would plan on them."""
    template = Template("one", structures=(WantedStructure("Sphere30"),))

    result = measured(gauge, dataset, template)

    assert result.faults == ("Sphere8 has contours, but nothing in the phantom is called that.",)


def test_an_empty_structure_that_no_one_can_find_is_none(gauge: Gauge, dataset: Dataset) -> None:
    """A template may keep what the model has and this phantom has not."""
    template = Template("one", structures=(WantedStructure("Sphere30"),))
    del dataset.ROIContourSequence[1].ContourSequence

    result = measured(gauge, dataset, template)

    assert result.passed


@pytest.mark.parametrize(
    "found",
    [
        replace(FOUND, mean_mm=float("nan")),
        replace(FOUND, largest_off_poles_mm=0.51),
        replace(FOUND, drawn_mm3=1003.1),
        replace(FOUND, drawn_mm3=996.9),
        replace(FOUND, missed_slices=(3,)),
        replace(FOUND, extra_slices=(3,)),
    ],
    ids=["no number", "distance", "volume above", "volume below", "missed", "extra"],
)
def test_each_limit_alone_decides(found: Deviation) -> None:
    """None may stand in for another."""
    right = Measurement(WANTED, LIMITS, (1, 2, 3), FOUND)

    wrong = replace(right, found=found)

    assert right.passed
    assert len(wrong.breaches) == 1


def test_a_file_with_nothing_measured_does_not_pass() -> None:
    """Having nothing wrong is not being right."""
    result = FileResult(CLINIC)

    assert not result.passed


def test_names_and_colours_are_those_of_the_template_and_else_of_the_model(gauge: Gauge) -> None:
    """In the template's order; what the phantom or the model lacks is left to the accounts."""
    more = (WantedStructure("Parotid_L"), *(CLINIC.structures or ()))

    wanted = find_wanted(replace(CLINIC, structures=more), gauge.structures, gauge.truths)

    assert wanted == (
        RoiWanted("Sphere8", "Small_L", HEAD_AND_NECK.structure("Sphere8").colour_rgb),
        RoiWanted("Sphere30", "Large_R", (1, 2, 3)),
    )


@pytest.mark.parametrize(
    ("name", "volume_error"),
    [
        ("Sphere30", 0.003),
        ("HollowTube", 0.01),
        ("Cord", 0.003),
        ("Ellipsoid", 0.003),
        ("Shell", 0.01),
        ("Torus", 0.003),
        ("Glands", 0.003),
        ("Tube10", 0.01),
        ("Nodes", 0.003),
        ("Sphere8", 0.04),
        ("Nodule5", 0.08),
    ],
)
def test_small_and_thin_structures_have_wider_limits(name: str, volume_error: float) -> None:
    """The same error of the border weighs more on them; distances are equal for all."""
    truth = Truth(HEAD_AND_NECK.structure(name).shape, Scan())

    found = find_limits(truth)

    assert found.volume_error == volume_error
    assert (found.mean_mm, found.largest_off_poles_mm) == (0.05, 0.5)


def test_a_file_is_measured_from_its_bytes_alone(gauge: Gauge, report: CommissioningReport) -> None:
    """The report's own result is that of the file on the disk."""
    path = "HFS/clinic.rtstruct.dcm"

    result = gauge.measure((Path(report.path).parent / path).read_bytes(), CLINIC, path)

    assert result == report.positions[0].files[1]


def test_the_page_on_commissioning_shows_the_limits() -> None:
    """A limit that is changed in the code alone misleads whoever signs."""
    page = (REPOSITORY / "docs" / "commissioning.md").read_text()
    (volumes,) = (line for line in page.splitlines() if line.startswith("| volume"))

    shown = [float(number) for number in re.findall(r"([\d.]+) %", volumes)]

    assert shown == [
        100 * share
        for share in (
            limits.VOLUME_ERROR,
            limits.THIN_VOLUME_ERROR,
            limits.SMALL_VOLUME_ERROR,
            limits.TINY_VOLUME_ERROR,
        )
    ]
    assert f"| mean distance in the slice | {limits.MEAN_MM} mm |" in page
    assert f"within one of a pole | {limits.LARGEST_OFF_POLES_MM} mm |" in page
