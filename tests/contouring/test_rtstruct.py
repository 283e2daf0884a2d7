"""The structure set as other software reads it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from contouring.contours import Contour, StructureContours
from contouring.dicom_series import CTSeries, read_series
from contouring.errors import StructureSetError
from contouring.rtstruct import Origin, Stamp, write_structure_set
from contouring.structures import CodedConcept, Structure
from tests.contouring.ct_files import edit, write_tiny_series

ORIGIN = Origin("commissioning", "1.0.0", "0123456789abcdef" * 4)
STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
PAROTID = Structure(
    2,
    "Parotid_L",
    (10, 20, 30),
    description="Left parotid gland",
    code=CodedConcept("45289007", "SCT", "Parotid gland"),
    laterality=CodedConcept("7771000", "SCT", "Left"),
)
CORD = Structure(1, "SpinalCord", (255, 0, 255), interpreted_type="")


def circle(series: CTSeries, slice_index: int, radius_mm: float = 5.0) -> Contour:
    """A round contour in the middle of a slice."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = series.grid.to_patient(
        slice_index, 9 + radius_mm * np.sin(angle), 11 + radius_mm * np.cos(angle)
    )
    return Contour(slice_index, points)


def drawn_on(series: CTSeries, *structures: Structure) -> list[StructureContours]:
    """Every structure on slices 2, 3 and 5."""
    contours = tuple(circle(series, k) for k in (2, 3, 5))
    return [StructureContours(structure, contours, 1.2345678) for structure in structures]


def written(
    folder: Path, *structures: Structure, values: dict[str, Any] | None = None
) -> tuple[bytes, CTSeries]:
    """The file's bytes for a tiny series whose headers hold `values`; None takes one away."""
    for file in write_tiny_series(folder):
        if values:
            edit(file, **values)
    series = read_series(folder)
    content = write_structure_set(
        series, drawn_on(series, *(structures or (CORD, PAROTID))), ORIGIN, STAMP
    )
    return content, series


def parsed(content: bytes) -> pydicom.FileDataset:
    """As any reader sees it."""
    return pydicom.dcmread(BytesIO(content))


def complaints(command: str, content: bytes, folder: Path) -> list[str]:
    """The lines of a validator that name an error."""
    file = folder / "rtstruct.dcm"
    file.write_bytes(content)
    ran = subprocess.run([command, str(file)], capture_output=True, check=False)
    marks = ("Error", "E:", "F:", "W:")
    return [
        line
        for line in (ran.stdout + ran.stderr).decode("latin-1").splitlines()
        if line.startswith(marks)
    ]


UNUSUAL_HEADERS: list[dict[str, Any]] = [
    {},
    {"PatientName": None, "PatientID": None, "PatientSex": None, "PatientBirthDate": None},
    {"StudyID": None, "StudyTime": None, "StudyDate": None, "AccessionNumber": None},
    {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"},
    {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
    {"TimezoneOffsetFromUTC": "+0200", "PatientAge": "061Y", "PatientWeight": "70.5"},
]


@pytest.mark.parametrize("values", UNUSUAL_HEADERS)
@pytest.mark.parametrize("command", ["dciodvfy", "drtdump"])
def test_validators_have_nothing_to_say(
    tmp_path: Path, command: str, values: dict[str, Any]
) -> None:
    """Planning systems drop files for less, whatever the scanner left out."""
    content, _ = written(tmp_path / "ct", values=values)

    assert complaints(command, content, tmp_path) == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """A job that is run again must not make a second structure set."""
    first, series = written(tmp_path)

    again = write_structure_set(
        read_series(tmp_path), drawn_on(series, CORD, PAROTID), ORIGIN, STAMP
    )

    assert again == first


@pytest.mark.parametrize(
    ("origin", "stamp"),
    [
        (replace(ORIGIN, checksum="f" * 64), STAMP),
        (ORIGIN, replace(STAMP, made_at=datetime(2027, 1, 1, tzinfo=UTC))),
        (ORIGIN, replace(STAMP, software_version="0.2.0")),
    ],
    ids=["other model", "other time", "other software"],
)
def test_another_origin_gives_another_instance(
    tmp_path: Path, origin: Origin, stamp: Stamp
) -> None:
    """Two contents under one UID would be mixed up in an archive."""
    content, series = written(tmp_path)

    other = parsed(write_structure_set(series, drawn_on(series, CORD), origin, stamp))

    assert other.SOPInstanceUID != parsed(content).SOPInstanceUID
    assert other.SeriesInstanceUID != parsed(content).SeriesInstanceUID


def test_uids_are_valid_and_derived(tmp_path: Path) -> None:
    """At most 64 characters under the root that anyone may use."""
    dataset = parsed(written(tmp_path)[0])

    uids = [dataset.SOPInstanceUID, dataset.SeriesInstanceUID]
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    assert len(set(uids)) == 2
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"


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
    assert referenced.SeriesInstanceUID == series.series_instance_uid
    assert [image.ReferencedSOPInstanceUID for image in referenced.ContourImageSequence] == [
        instance.sop_instance_uid for instance in series.instances
    ]
    assert {image.ReferencedSOPClassUID for image in referenced.ContourImageSequence} == {
        "1.2.840.10008.5.1.4.1.1.2"
    }


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
            assert set(points[:, 2]) == {series.grid.positions_mm[index, 2]}
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            assert contour.NumberOfContourPoints == len(points) == 40


def test_contour_data_is_in_micrometres_and_short(tmp_path: Path) -> None:
    """DS holds 16 bytes; some planning systems refuse one more, an exponent or a negative zero."""
    series = read_series(write_tiny_series(tmp_path)[0].parent)
    far = Contour(0, np.array([[-1234.56789, 0.0004, -0.0004], [1e-9, -0.0, 9999.9996], [1, 2, 3]]))
    content = write_structure_set(series, [StructureContours(CORD, (far,), 1.0)], ORIGIN, STAMP)

    element = parsed(content).ROIContourSequence[0].ContourSequence[0]["ContourData"]

    values = [str(value) for value in element.value]
    assert [float(value) for value in values] == [-1234.568, 0, 0, 0, 0, 10000.0, 1, 2, 3]
    raw = content[content.rindex(b"-1234.568") :].split(b"\0")[0].split(b" ")[0].decode()
    assert raw.split("\\")[:6] == ["-1234.568", "0.000", "0.000", "0.000", "0.000", "10000.000"]
    assert all(len(value) <= 16 for value in raw.split("\\"))


def test_a_contour_of_more_than_64_kilobytes_is_written_whole(tmp_path: Path) -> None:
    """Explicit VR would cut it off."""
    series = read_series(write_tiny_series(tmp_path)[0].parent)
    long = Contour(0, np.random.default_rng(1).uniform(-300, 300, (9000, 3)))

    content = write_structure_set(series, [StructureContours(CORD, (long,), 1.0)], ORIGIN, STAMP)

    contour = parsed(content).ROIContourSequence[0].ContourSequence[0]
    read = np.array(contour.ContourData, float).reshape(-1, 3)
    assert contour.NumberOfContourPoints == 9000
    assert np.abs(read - long.points_mm).max() <= 0.0005 + 1e-9
    assert complaints("dciodvfy", content, tmp_path) == []


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
    assert len({o.ObservationNumber for o in dataset.RTROIObservationsSequence}) == 2
    frames = {roi.ReferencedFrameOfReferenceUID for roi in dataset.StructureSetROISequence}
    assert frames == {dataset.FrameOfReferenceUID}


def test_codes_and_laterality_are_written(tmp_path: Path) -> None:
    """A name is for people; a code for programs."""
    dataset = parsed(written(tmp_path)[0])

    cord, parotid = dataset.RTROIObservationsSequence
    (code,) = parotid.RTROIIdentificationCodeSequence
    (side,) = code.SegmentedPropertyTypeModifierCodeSequence
    assert "RTROIIdentificationCodeSequence" not in cord
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("45289007", "SCT")
    assert side.CodeMeaning == "Left"


def test_it_is_a_draft_that_says_who_drew_it(tmp_path: Path) -> None:
    """A person decides; the file must not look as if one had."""
    dataset = parsed(written(tmp_path)[0])

    roi = dataset.StructureSetROISequence[0]
    (algorithm,) = roi.ROIDerivationAlgorithmIdentificationSequence
    assert dataset.ApprovalStatus == "UNAPPROVED"
    assert "ReviewDate" not in dataset
    assert "AI, not reviewed" in dataset.SeriesDescription
    assert ORIGIN.checksum in dataset.StructureSetDescription
    assert dataset.StructureSetLabel == "AI commissioning"
    assert roi.ROIGenerationAlgorithm == "AUTOMATIC"
    assert "commissioning 1.0.0 (0123456789ab)" in roi.ROIGenerationDescription
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("commissioning", "1.0.0")
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert dataset.SoftwareVersions == "0.1.0"
    assert (dataset.StructureSetDate, dataset.StructureSetTime) == ("20260304", "050607")
    assert float(roi.ROIVolume) == pytest.approx(1.235)


@pytest.mark.parametrize(
    ("offset", "local"),
    [("+0200", ("20260304", "070607")), ("-0600", ("20260303", "230607")), ("noon", None)],
)
def test_times_are_told_by_the_clock_that_the_file_names(
    tmp_path: Path, offset: str, local: tuple[str, str] | None
) -> None:
    """The CT's offset from UTC is copied, and holds for every time in the file."""
    dataset = parsed(written(tmp_path, values={"TimezoneOffsetFromUTC": offset})[0])

    assert dataset.TimezoneOffsetFromUTC == offset
    told = (dataset.StructureSetDate, dataset.StructureSetTime)
    assert told == (local or ("20260304", "050607"))


def test_no_private_or_retired_attribute_is_written(tmp_path: Path) -> None:
    """The scanner's private attributes are not ours to pass on."""
    file = write_tiny_series(tmp_path)[0]
    dataset = pydicom.dcmread(file)
    dataset.add_new(0x00090010, "LO", "SCANNER")
    dataset.add_new(0x00091001, "LO", "secret")
    dataset.save_as(file)
    series = read_series(tmp_path)

    content = write_structure_set(series, drawn_on(series, PAROTID), ORIGIN, STAMP)

    tags = [element.tag for element in parsed(content).iterall()]
    assert not any(tag.is_private for tag in tags)
    assert not {(0x3006, 0x0085), (0x3006, 0x0088)} & {(t.group, t.element) for t in tags}


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 144", "Иванов^Иван"),
        ("ISO_IR 192", "Ямада^太郎"),
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_a_patient_s_name_survives_in_its_character_set(
    tmp_path: Path, charset: str | list[str], name: str
) -> None:
    """A file whose patient is called ????? belongs to nobody."""
    values = {"SpecificCharacterSet": charset, "PatientName": name}

    content, series = written(tmp_path, values=values)

    dataset = parsed(content)
    assert str(dataset.PatientName) == name == str(series.header.PatientName)
    assert dataset.SpecificCharacterSet == charset


def test_words_of_the_model_beyond_the_ct_s_character_set_are_written_in_unicode(
    tmp_path: Path,
) -> None:
    """A description in German must not turn a Cyrillic name into question marks, nor itself."""
    gland = replace(PAROTID, description="Ohrspeicheldrüse links")
    values = {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"}

    content, _ = written(tmp_path / "ct", gland, values=values)

    dataset = parsed(content)
    assert str(dataset.PatientName) == "Иванов^Иван"
    assert dataset.StructureSetROISequence[0].ROIDescription == "Ohrspeicheldrüse links"
    assert complaints("dciodvfy", content, tmp_path) == []


def test_patient_and_study_are_copied_and_what_is_missing_stays_empty(tmp_path: Path) -> None:
    """Nothing about a patient is invented."""
    values = {
        "PatientID": "P-17",
        "PatientBirthDate": "19600102",
        "StudyDate": "20250102",
        "AccessionNumber": "A1",
        "ReferringPhysicianName": None,
        "StudyID": None,
        "PatientSex": None,
    }

    content, series = written(tmp_path, values=values)

    dataset = parsed(content)
    assert dataset.PatientID == "P-17"
    assert dataset.PatientBirthDate == "19600102"
    assert (dataset.StudyDate, dataset.AccessionNumber) == ("20250102", "A1")
    assert dataset.StudyInstanceUID == series.study_instance_uid
    assert dataset.FrameOfReferenceUID == series.frame_of_reference_uid
    for keyword in ("ReferringPhysicianName", "StudyID", "PatientSex", "OperatorsName"):
        assert keyword in dataset
        assert not dataset[keyword].value


@pytest.mark.parametrize(
    "name", ["", "A" * 17, "Two Words", "Größe", "Paro\ttid", "A\\B", "Line\nbreak"]
)
def test_a_name_that_planning_systems_refuse_is_refused_here(tmp_path: Path, name: str) -> None:
    """TG-263: at most 16 characters, ASCII, no space; a backslash would make two names of it."""
    with pytest.raises(StructureSetError, match="no ROI name"):
        written(tmp_path, replace(CORD, name=name))


def test_names_that_differ_only_by_case_are_refused(tmp_path: Path) -> None:
    """Some planning systems would merge them."""
    with pytest.raises(StructureSetError, match="repeat"):
        written(tmp_path, CORD, replace(CORD, name="spinalcord"))


def test_a_structure_set_without_structures_is_refused(tmp_path: Path) -> None:
    """Its sequences must hold at least one item."""
    write_tiny_series(tmp_path)

    with pytest.raises(StructureSetError, match="nothing to write"):
        write_structure_set(read_series(tmp_path), [], ORIGIN, STAMP)


def test_a_structure_without_contours_has_no_contour_sequence(tmp_path: Path) -> None:
    """An empty sequence makes some readers fail."""
    write_tiny_series(tmp_path / "ct")
    series = read_series(tmp_path / "ct")
    empty = StructureContours(PAROTID, (), 0.0)

    content = write_structure_set(series, [*drawn_on(series, CORD), empty], ORIGIN, STAMP)

    rois: list[Dataset] = list(parsed(content).ROIContourSequence)
    assert ["ContourSequence" in roi for roi in rois] == [True, False]
    assert complaints("dciodvfy", content, tmp_path) == []


def test_warnings_stand_in_the_file(tmp_path: Path) -> None:
    """The file goes on without the job that could tell them."""
    series = read_series(write_tiny_series(tmp_path)[0].parent)
    contours = drawn_on(series, CORD)

    content = write_structure_set(series, contours, ORIGIN, STAMP, ["Larynx — not found. " * 99])

    description = parsed(content).StructureSetDescription
    assert "Larynx ? not found." in description
    assert len(description) == 1024
    assert complaints("dciodvfy", content, tmp_path) == []
