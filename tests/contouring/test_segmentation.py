"""The DICOM SEG as other software reads it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest

from contouring import segmentation
from contouring.contours import Contour, StructureContours
from contouring.dicom_series import CTSeries, Instance
from contouring.errors import StructureSetError
from contouring.notices import Notice
from contouring.segmentation import write_segmentation
from contouring.structures import CodedConcept, Structure
from contouring.template import Template
from tests.contouring.tiny_structure_sets import (
    CORD,
    ORIGIN,
    PAROTID,
    STAMP,
    circle,
    drawn_on,
    parsed,
    tiny_series,
)
from tests.judges import dciodvfy_errors

GENERIC = Template("generic")


def segments_of(content: bytes, series: CTSeries) -> np.ndarray[Any, Any]:
    """(slices, rows, columns, segments) of 0 and 1, as highdicom reads them back."""
    read = highdicom.seg.Segmentation.from_dataset(parsed(content))
    uids = [instance.sop_instance_uid for instance in series.instances]
    return read.get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=False
    )


def centres_within(series: CTSeries, radius_mm: float) -> np.ndarray[Any, Any]:
    """(rows, columns) pixels whose centre lies in the circle of `circle`."""
    rows, columns = np.indices(series.shape_zyx[1:])
    return np.hypot(rows * 1.0 - 9, columns * 1.0 - 11) < radius_mm


def test_a_pixel_belongs_to_a_segment_if_its_centre_lies_inside(tmp_path: Path) -> None:
    """On the CT's own pixels and slices, by even-odd: the mask of the contours, no other."""
    series = tiny_series(tmp_path)
    solid = StructureContours(CORD, (circle(series, 2, 5.3), circle(series, 3, 2.3)), 1.0)
    hollow = StructureContours(PAROTID, (circle(series, 5, 6.3), circle(series, 5, 3.3)), 1.0)

    content = write_segmentation(series, [solid, hollow], ORIGIN, STAMP, GENERIC)

    segments = segments_of(content, series)
    expected = np.zeros((*series.shape_zyx, 2), bool)
    expected[2, :, :, 0] = centres_within(series, 5.3)
    expected[3, :, :, 0] = centres_within(series, 2.3)
    expected[5, :, :, 1] = centres_within(series, 6.3) & ~centres_within(series, 3.3)
    assert np.array_equal(segments, expected)
    assert parsed(content).SegmentsOverlap == "NO"


def test_segments_may_share_pixels(tmp_path: Path) -> None:
    """A margin lies over the organ that it grew from."""
    series = tiny_series(tmp_path)
    drawn = [
        StructureContours(CORD, (circle(series, 2, 3.3),), 1.0),
        StructureContours(PAROTID, (circle(series, 2, 6.3),), 1.0),
    ]

    content = write_segmentation(series, drawn, ORIGIN, STAMP, GENERIC)

    segments = segments_of(content, series)
    assert np.array_equal(segments[2, :, :, 0], centres_within(series, 3.3))
    assert np.array_equal(segments[2, :, :, 1], centres_within(series, 6.3))
    assert parsed(content).SegmentsOverlap == "YES"


def test_contours_that_reach_out_of_the_image_end_at_its_edge(tmp_path: Path) -> None:
    """A structure cut by the field of view ends half a pixel beyond the last centre."""
    series = tiny_series(tmp_path)
    corners = np.array([[-0.5, -0.5], [-0.5, 30.0], [3.5, 30.0], [3.5, -0.5]])
    wide = Contour(4, series.grid.to_patient(4, corners[:, 0], corners[:, 1]))

    content = write_segmentation(
        series, [StructureContours(CORD, (wide,), 1.0)], ORIGIN, STAMP, GENERIC
    )

    segments = segments_of(content, series)
    assert segments[4, :4, :, 0].all()
    assert segments.sum() == 4 * series.shape_zyx[2]


def test_a_structure_between_the_pixel_centres_leaves_its_segment_empty(tmp_path: Path) -> None:
    """Nothing is rounded up: the contours themselves are in the structure set."""
    series = tiny_series(tmp_path)
    tiny = np.array([[4.2, 4.2], [4.2, 4.8], [4.8, 4.5]])
    speck = Contour(4, series.grid.to_patient(4, tiny[:, 0], tiny[:, 1]))
    drawn = [*drawn_on(series, CORD), StructureContours(PAROTID, (speck,), 0.01)]

    content = write_segmentation(series, drawn, ORIGIN, STAMP, GENERIC)

    assert segments_of(content, series)[..., 1].sum() == 0
    assert len(parsed(content).SegmentSequence) == 2


def test_more_segments_than_a_byte_counts_are_kept_apart(tmp_path: Path) -> None:
    """Number 257 is not number 1."""
    series = tiny_series(tmp_path)
    drawn = [
        StructureContours(
            replace(CORD, name=f"S{number}"), (circle(series, 2 + number % 2, 2.3),), 1.0
        )
        for number in range(257)
    ]

    content = write_segmentation(series, drawn, ORIGIN, STAMP, GENERIC)

    segments = segments_of(content, series)
    assert segments[2, :, :, 256].sum() == centres_within(series, 2.3).sum()
    assert segments[3, :, :, 256].sum() == 0


def test_dciodvfy_has_nothing_to_say(tmp_path: Path) -> None:
    """An archive drops files for less."""
    series = tiny_series(
        tmp_path / "ct", {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"}
    )
    body = Structure(0, "BODY", (0, 255, 0), interpreted_type="EXTERNAL")
    file = tmp_path / "segmentation.dcm"

    file.write_bytes(
        write_segmentation(series, drawn_on(series, CORD, PAROTID, body), ORIGIN, STAMP, GENERIC)
    )

    assert dciodvfy_errors(file) == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """highdicom itself takes times from the clock and UIDs from chance."""
    series = tiny_series(tmp_path)
    drawn = drawn_on(series, CORD, PAROTID)

    first = write_segmentation(series, drawn, ORIGIN, STAMP, GENERIC)
    again = write_segmentation(series, drawn, ORIGIN, STAMP, GENERIC)
    other = write_segmentation(series, drawn, ORIGIN, STAMP, Template("other"))

    dataset = parsed(first)
    assert again == first
    assert parsed(other).SOPInstanceUID != dataset.SOPInstanceUID
    assert {dataset.ContentDate, dataset.SeriesDate, dataset.InstanceCreationDate} == {"20260304"}
    assert {dataset.ContentTime, dataset.SeriesTime, dataset.InstanceCreationTime} == {"050607"}
    ours = (ORIGIN.checksum, "2.25.")
    uids = [
        element.value
        for element in dataset.iterall()
        if element.keyword in ("SOPInstanceUID", "SeriesInstanceUID", "DimensionOrganizationUID")
    ]
    assert ours[0].startswith(dataset.DeviceSerialNumber)
    assert all(uid.startswith(ours[1]) for uid in uids)


def test_patient_and_study_are_the_ct_s(tmp_path: Path) -> None:
    """In their own letters, with what is missing left empty."""
    series = tiny_series(
        tmp_path,
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван", "PatientSex": None},
    )

    dataset = parsed(write_segmentation(series, drawn_on(series, CORD), ORIGIN, STAMP, GENERIC))

    assert dataset.SpecificCharacterSet == "ISO_IR 144"
    assert str(dataset.PatientName) == "Иванов^Иван"
    assert not dataset.PatientSex
    assert dataset.StudyInstanceUID == series.study_instance_uid
    assert dataset.FrameOfReferenceUID == series.frame_of_reference_uid
    scanner, software = dataset.ContributingEquipmentSequence
    assert scanner.ManufacturerModelName == "Analytic phantom"
    assert software.Manufacturer == "Oarlock"


def test_words_beyond_the_ct_s_character_set_are_written_in_unicode(tmp_path: Path) -> None:
    """As in the structure set."""
    series = tiny_series(
        tmp_path / "ct", {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"}
    )
    gland = replace(
        PAROTID,
        description="Ohrspeicheldrüse",
        code=CodedConcept("45289007", "SCT", "Drüse"),
        laterality=CodedConcept("7771000", "SCT", "Äußere"),
    )

    content = write_segmentation(series, drawn_on(series, gland), ORIGIN, STAMP, GENERIC)

    dataset = parsed(content)
    (segment,) = dataset.SegmentSequence
    (kind,) = segment.SegmentedPropertyTypeCodeSequence
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == "Иванов^Иван"
    assert segment.SegmentDescription == "Ohrspeicheldrüse"
    assert kind.CodeMeaning == "Drüse"
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Äußere"


def test_a_segment_says_what_it_is_and_who_drew_it(tmp_path: Path) -> None:
    """The same names, codes and colours as in the structure set."""
    series = tiny_series(tmp_path)
    flag = Notice("single-slice", "It is on one slice only.")
    gland = StructureContours(PAROTID, (circle(series, 2),), 1.0, (flag,))
    cord = StructureContours(CORD, (circle(series, 2),), 1.0)
    empty = StructureContours(replace(CORD, name="Larynx"), (), 0.0)

    dataset = parsed(write_segmentation(series, [gland, empty, cord], ORIGIN, STAMP, GENERIC))

    first, second = dataset.SegmentSequence
    (kind,) = first.SegmentedPropertyTypeCodeSequence
    (algorithm,) = first.SegmentationAlgorithmIdentificationSequence
    assert [segment.SegmentLabel for segment in (first, second)] == ["Parotid_L", "SpinalCord"]
    assert first.SegmentDescription == (
        "Left parotid gland. Review: It is on one slice only. (single-slice)"
    )
    assert "SegmentDescription" not in second
    assert kind.CodeValue == "45289007"
    assert kind.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert first.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "91723000"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("commissioning", "1.0.0")
    assert ORIGIN.checksum in algorithm.AlgorithmParameters
    assert "AI, not reviewed" in dataset.SeriesDescription
    assert dataset.ContentDescription.startswith("AI, not reviewed")


def test_frames_of_a_multi_frame_ct_are_named_by_their_numbers(tmp_path: Path) -> None:
    """All slices of a multi-frame CT have one UID."""
    series = tiny_series(tmp_path)
    first = series.instances[0]
    enhanced = "1.2.840.10008.5.1.4.1.1.2.1"
    frames = tuple(Instance(first.path, enhanced, first.sop_instance_uid, k) for k in range(8))
    series = replace(series, instances=frames)

    dataset = parsed(write_segmentation(series, drawn_on(series, CORD), ORIGIN, STAMP, GENERIC))

    sources = [
        frame.DerivationImageSequence[0].SourceImageSequence[0]
        for frame in dataset.PerFrameFunctionalGroupsSequence
    ]
    (referenced,) = dataset.ReferencedSeriesSequence
    (instance,) = referenced.ReferencedInstanceSequence
    assert sorted(source.ReferencedFrameNumber for source in sources) == [3, 4, 6]
    assert {source.ReferencedSOPInstanceUID for source in sources} == {first.sop_instance_uid}
    assert instance.ReferencedSOPInstanceUID == first.sop_instance_uid
    assert instance.ReferencedSOPClassUID == enhanced
    assert [source.ReferencedFrameNumber for source in dataset.SourceImageSequence] == [3, 4, 6]


def test_a_segmentation_of_nothing_is_refused(tmp_path: Path) -> None:
    """It must hold one segment."""
    series = tiny_series(tmp_path)

    with pytest.raises(StructureSetError, match="nothing to write"):
        write_segmentation(series, [StructureContours(CORD, (), 0.0)], ORIGIN, STAMP, GENERIC)


def test_without_highdicom_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an optional part: most sites never ask for a SEG."""
    series = tiny_series(tmp_path)
    monkeypatch.setattr(segmentation, "import_module", _without_highdicom(importlib.import_module))

    with pytest.raises(StructureSetError, match=r"pip install 'oarlock\[seg\]'"):
        write_segmentation(series, drawn_on(series, CORD), ORIGIN, STAMP, GENERIC)


def _without_highdicom(real: Callable[[str], object]) -> Callable[[str], object]:
    def import_module(name: str) -> object:
        if name == "highdicom":
            raise ImportError(name)
        return real(name)

    return import_module
