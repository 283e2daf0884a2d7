"""A structure set as it is read back."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from contouring.structure_set_reader import ImageReference, read_structure_set
from tests.contouring.structure_sets import (
    Released,
    changed,
    contours_of,
    points_of,
    release,
    set_raw,
)


@pytest.fixture(scope="module")
def good() -> Released:
    """Four solids."""
    return release()


def test_rois_contours_and_references_are_read(good: Released) -> None:
    """With places that a message can name."""
    file = read_structure_set(good.content)

    assert file.is_structure_set
    assert [roi.where for roi in file.rois][:2] == ["ROI 1 Gland_L", "ROI 2 Gland_R"]
    assert [found.where for found in file.contour_sets] == [roi.where for roi in file.rois]
    assert file.contour_sets[0].contours[1].where == "ROI 1 Gland_L, contour 2"
    assert [observation.number for observation in file.observations] == [1, 2, 3, 4]
    (series,) = file.referenced_series
    assert series.series_instance_uid == good.series.series_instance_uid
    assert series.images[3] == ImageReference(
        good.series.instances[3].sop_class_uid, good.series.instances[3].sop_instance_uid
    )
    assert np.abs(file.normal) == pytest.approx([0, 0, 1])


def test_points_are_those_in_the_file(good: Released) -> None:
    """Every coordinate, by another reader than this."""
    seen: list[np.ndarray] = []
    changed(good.content, lambda d: seen.extend(map(points_of, contours_of(d, "Shell"))))

    read = read_structure_set(good.content).contour_sets[2].contours

    assert all(np.array_equal(a.points_mm, b) for a, b in zip(read, seen, strict=True))


@pytest.mark.parametrize(
    ("raw", "count", "unreadable"),
    [
        (b"1\\2\\3\\4", 1, None),
        (b"1\\2\\x", 0, b"x"),
        (b"1\\\\3", 0, b""),
        (b"1\\1-2\\3", 0, b"1-2"),
        (b"1\\2\\1e9", 0, b"1e9"),
        (b"1\\-1e400\\3", 0, b"-1e400"),
        (b"", 0, None),
    ],
)
def test_values_that_are_no_places_are_told(
    good: Released, raw: bytes, count: int, unreadable: bytes | None
) -> None:
    """The first of them; a rest of less than three values is left out."""

    def change(dataset: Dataset) -> None:
        set_raw(contours_of(dataset, "Gland_L")[0], "ContourData", raw)

    contour = read_structure_set(changed(good.content, change)).contours[0]

    assert len(contour.points_mm) == count
    assert contour.unreadable == unreadable


def test_what_names_no_roi_is_named_by_its_place(good: Released) -> None:
    """A number that is missing, or that no ROI has."""

    def change(dataset: Dataset) -> None:
        del dataset.ROIContourSequence[0].ReferencedROINumber
        dataset.RTROIObservationsSequence[1].ReferencedROINumber = 77
        del dataset.StructureSetROISequence[2].ROINumber

    file = read_structure_set(changed(good.content, change))

    assert file.contour_sets[0].where == "ROIContourSequence 1"
    assert file.observations[1].where == "RTROIObservationsSequence 2"
    assert file.rois[2].where == "ROI item 3 Shell"


def test_without_any_area_the_normal_is_the_patient_s_axis(good: Released) -> None:
    """Something must be said of a file without contours."""

    def change(dataset: Dataset) -> None:
        del dataset.ROIContourSequence

    assert read_structure_set(changed(good.content, change)).normal.tolist() == [0, 0, 1]
