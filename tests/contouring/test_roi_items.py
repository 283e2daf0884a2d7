"""What a reader learns of one ROI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from contouring.contours import StructureContours
from contouring.notices import Notice
from contouring.rtstruct import write_structure_set
from contouring.structures import Structure
from contouring.template import Template
from tests.contouring.tiny_structure_sets import (
    CORD,
    ORIGIN,
    PAROTID,
    STAMP,
    circle,
    complaints,
    parsed,
    tiny_series,
    written,
)

CUT = Notice("cut-by-scan-end", "The structure reaches the first slice — look at it.")
SOLE = Notice("single-slice", "It is on one slice only.")


def rois_of(folder: Path, *drawn: Structure, flags: tuple[Notice, ...] = ()) -> list[Dataset]:
    """The first of the three items, for each structure."""
    series = tiny_series(folder)
    contours = [StructureContours(one, (circle(series, 2),), 1.0, flags) for one in drawn]
    return list(
        parsed(write_structure_set(series, contours, ORIGIN, STAMP)).StructureSetROISequence
    )


def test_the_three_sequences_of_an_roi_belong_together(tmp_path: Path) -> None:
    """Name, contours and kind are joined by number alone."""
    dataset = parsed(written(tmp_path)[0])

    numbers = [roi.ROINumber for roi in dataset.StructureSetROISequence]
    assert numbers == [1, 2]
    assert [roi.ReferencedROINumber for roi in dataset.ROIContourSequence] == numbers
    assert [roi.ReferencedROINumber for roi in dataset.RTROIObservationsSequence] == numbers
    assert [str(roi.ROIName) for roi in dataset.StructureSetROISequence] == [
        "SpinalCord",
        "Parotid_L",
    ]
    assert [list(roi.ROIDisplayColor) for roi in dataset.ROIContourSequence] == [
        [255, 0, 255],
        [10, 20, 30],
    ]
    assert [o.RTROIInterpretedType for o in dataset.RTROIObservationsSequence] == ["", "ORGAN"]
    assert [o.ObservationNumber for o in dataset.RTROIObservationsSequence] == [1, 2]
    frames = {roi.ReferencedFrameOfReferenceUID for roi in dataset.StructureSetROISequence}
    assert frames == {dataset.FrameOfReferenceUID}
    assert float(dataset.StructureSetROISequence[0].ROIVolume) == pytest.approx(1.235)


def test_the_items_hold_exactly_these_attributes(tmp_path: Path) -> None:
    """None slips in or out unseen."""
    dataset = parsed(written(tmp_path)[0])

    roi = dataset.StructureSetROISequence[1]
    observation = dataset.RTROIObservationsSequence[1]
    contours = dataset.ROIContourSequence[1]
    assert set(roi.dir()) == {
        "ROINumber",
        "ReferencedFrameOfReferenceUID",
        "ROIName",
        "ROIDescription",
        "ROIVolume",
        "ROIGenerationAlgorithm",
        "ROIGenerationDescription",
        "ROIDerivationAlgorithmIdentificationSequence",
    }
    assert set(observation.dir()) == {
        "ObservationNumber",
        "ReferencedROINumber",
        "RTROIInterpretedType",
        "ROIInterpreter",
        "SegmentedPropertyCategoryCodeSequence",
        "RTROIIdentificationCodeSequence",
    }
    assert observation["ROIInterpreter"].is_empty
    assert set(contours.dir()) == {"ReferencedROINumber", "ROIDisplayColor", "ContourSequence"}
    assert set(contours.ContourSequence[0].dir()) == {
        "ContourImageSequence",
        "ContourGeometricType",
        "NumberOfContourPoints",
        "ContourNumber",
        "ContourData",
    }


def test_codes_category_and_laterality_are_written(tmp_path: Path) -> None:
    """A name is for people; a code for programs."""
    dataset = parsed(written(tmp_path)[0])

    cord, parotid = dataset.RTROIObservationsSequence
    (code,) = parotid.RTROIIdentificationCodeSequence
    (side,) = code.SegmentedPropertyTypeModifierCodeSequence
    (category,) = parotid.SegmentedPropertyCategoryCodeSequence
    assert "RTROIIdentificationCodeSequence" not in cord
    assert "SegmentedPropertyCategoryCodeSequence" not in cord
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("45289007", "SCT")
    assert (side.CodeValue, side.CodeMeaning) == ("7771000", "Left")
    assert (category.CodeValue, category.CodingSchemeDesignator) == ("91723000", "SCT")


@pytest.mark.parametrize(
    ("structure", "category"),
    [
        (replace(PAROTID, laterality=None, interpreted_type=""), "91723000"),
        (replace(CORD, interpreted_type="ORGAN"), "91723000"),
        (replace(CORD, interpreted_type="EXTERNAL"), "130047"),
    ],
    ids=["coded", "an organ", "the body"],
)
def test_the_category_follows_code_and_type(
    tmp_path: Path, structure: Structure, category: str
) -> None:
    """Programs sort by it; what is not known is not said."""
    content, _ = written(tmp_path / "ct", structure)

    (observation,) = parsed(content).RTROIObservationsSequence
    assert observation.SegmentedPropertyCategoryCodeSequence[0].CodeValue == category
    for code in observation.get("RTROIIdentificationCodeSequence", []):
        assert "SegmentedPropertyTypeModifierCodeSequence" not in code
    assert complaints(content, tmp_path) == []


def test_the_algorithm_is_named_with_all_that_decides_its_result(tmp_path: Path) -> None:
    """From the file alone one must be able to make it again."""
    series = tiny_series(tmp_path / "ct")
    contours = [StructureContours(CORD, (circle(series, 2),), 1.0)]
    origin = replace(ORIGIN, runtime="CPUExecutionProvider 1.27", plan="windows 64x64x64")
    template = Template("other", checksum="9" * 64)

    content = write_structure_set(series, contours, origin, STAMP, template=template)

    (roi,) = parsed(content).StructureSetROISequence
    (algorithm,) = roi.ROIDerivationAlgorithmIdentificationSequence
    assert roi.ROIGenerationAlgorithm == "AUTOMATIC"
    assert roi.ROIGenerationDescription == "commissioning 1.0.0 (0123456789ab)"
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("commissioning", "1.0.0")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert algorithm.AlgorithmSource == "Oarlock"
    assert algorithm.AlgorithmParameters == (
        f"model sha256 {ORIGIN.checksum}; runtime CPUExecutionProvider 1.27; windows 64x64x64; "
        f"template other; template sha256 {'9' * 64}"
    )
    assert complaints(content, tmp_path) == []


def test_the_long_name_and_what_to_look_at_stand_in_the_description(tmp_path: Path) -> None:
    """A person who reviews the structure in the planning system sees no report of ours."""
    gland, cord = rois_of(tmp_path, PAROTID, CORD, flags=(CUT, SOLE))

    review = (
        "Review: The structure reaches the first slice - look at it. (cut-by-scan-end) "
        "It is on one slice only. (single-slice)"
    )
    assert gland.ROIDescription == f"Left parotid gland. {review}"
    assert cord.ROIDescription == review


def test_a_structure_without_words_has_no_description(tmp_path: Path) -> None:
    """An empty one says nothing."""
    (cord,) = rois_of(tmp_path, CORD)

    assert "ROIDescription" not in cord


def test_a_description_is_cut_where_dicom_has_no_room(tmp_path: Path) -> None:
    """ST ends at 1024 characters."""
    (cord,) = rois_of(tmp_path, CORD, flags=(CUT,) * 40)

    assert len(cord.ROIDescription) == 1024
    assert cord.ROIDescription.endswith("...")


def test_a_derived_structure_says_that_it_is_one(tmp_path: Path) -> None:
    """No network drew it."""
    (ring,) = rois_of(tmp_path, Structure(0, "zRing", (1, 2, 3), interpreted_type=""))

    assert ring.ROIGenerationDescription == "Derived, from commissioning 1.0.0 (0123456789ab)"
