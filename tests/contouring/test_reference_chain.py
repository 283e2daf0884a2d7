"""How a planning system finds the CT of a structure set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries, Instance
from contouring.rtstruct import write_structure_set
from tests.contouring.tiny_structure_sets import (
    CORD,
    ORIGIN,
    STAMP,
    circle,
    complaints,
    drawn_on,
    parsed,
    tiny_series,
    written,
)


def test_the_reference_chain_names_study_series_and_every_slice(tmp_path: Path) -> None:
    """Planning systems find the CT by it."""
    content, series = written(tmp_path)

    dataset = parsed(content)

    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    (referenced,) = study.RTReferencedSeriesSequence
    assert frame.FrameOfReferenceUID == dataset.FrameOfReferenceUID
    assert frame.FrameOfReferenceUID == series.frame_of_reference_uid
    assert study.ReferencedSOPInstanceUID == dataset.StudyInstanceUID == series.study_instance_uid
    assert study.ReferencedSOPClassUID == "1.2.840.10008.3.1.2.3.1"
    assert referenced.SeriesInstanceUID == series.series_instance_uid
    assert [image.ReferencedSOPInstanceUID for image in referenced.ContourImageSequence] == [
        instance.sop_instance_uid for instance in series.instances
    ]
    assert {image.ReferencedSOPClassUID for image in referenced.ContourImageSequence} == {
        "1.2.840.10008.5.1.4.1.1.2"
    }
    assert not any("ReferencedFrameNumber" in image for image in referenced.ContourImageSequence)


def test_each_contour_references_the_one_slice_that_it_lies_on(tmp_path: Path) -> None:
    """The wrong reference moves a contour to another slice in readers that trust it."""
    content, series = written(tmp_path)

    dataset = parsed(content)

    for roi in dataset.ROIContourSequence:
        assert [contour.ContourNumber for contour in roi.ContourSequence] == [1, 2, 3]
        for contour, index in zip(roi.ContourSequence, (2, 3, 5), strict=True):
            (image,) = contour.ContourImageSequence
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert image.ReferencedSOPInstanceUID == series.instances[index].sop_instance_uid
            assert image.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
            assert set(points[:, 2]) == {series.grid.positions_mm[index, 2]}
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert contour.NumberOfContourPoints == len(points) == 40


@pytest.fixture
def multi_frame(tmp_path: Path) -> CTSeries:
    """Eight slices that are the frames 1, 8, 7, ... 2 of one instance."""
    series = tiny_series(tmp_path / "ct")
    first = series.instances[0]
    frames = (0, 7, 6, 5, 4, 3, 2, 1)
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    instances = tuple(
        Instance(first.path, enhanced, first.sop_instance_uid, frame) for frame in frames
    )
    return replace(series, instances=instances)


def test_frames_of_one_instance_are_told_apart_by_their_numbers(
    multi_frame: CTSeries, tmp_path: Path
) -> None:
    """All slices of a multi-frame CT have one UID: without a number a contour is on none."""
    content = write_structure_set(multi_frame, drawn_on(multi_frame, CORD), ORIGIN, STAMP)

    dataset = parsed(content)
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    (image,) = series.ContourImageSequence
    contours = dataset.ROIContourSequence[0].ContourSequence
    assert list(image.ReferencedFrameNumber) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert image.ReferencedSOPInstanceUID == multi_frame.instances[0].sop_instance_uid
    # Slices 2, 3 and 5 are the frames 6, 5 and 3 from 0.
    numbers = [contour.ContourImageSequence[0].ReferencedFrameNumber for contour in contours]
    assert numbers == [7, 6, 4]
    assert complaints(content, tmp_path) == []


def test_one_stack_of_several_in_an_instance_references_its_own_frames_alone(
    multi_frame: CTSeries,
) -> None:
    """A phase of a 4D scan must not claim the slices of the others."""
    stack = replace(multi_frame, instances=multi_frame.instances[1:4])
    contours = StructureContours(CORD, (circle(stack, 0),), 1.0)

    dataset = parsed(write_structure_set(stack, [contours], ORIGIN, STAMP))

    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert list(series.ContourImageSequence[0].ReferencedFrameNumber) == [6, 7, 8]


def test_two_stacks_of_one_instance_give_two_structure_sets(multi_frame: CTSeries) -> None:
    """The phases of a 4D scan share every UID; their contours must not."""
    stacks = [replace(multi_frame, instances=multi_frame.instances[k : k + 3]) for k in (1, 4)]

    first, second = (
        parsed(
            write_structure_set(
                stack, [StructureContours(CORD, (circle(stack, 0),), 1.0)], ORIGIN, STAMP
            )
        )
        for stack in stacks
    )

    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
