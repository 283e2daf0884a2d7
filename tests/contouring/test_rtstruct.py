"""The structure set as other software reads it: its envelope, its making and its judges."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from contouring.contours import StructureContours
from contouring.dicom_files import PREAMBLE
from contouring.dicom_series import read_series
from contouring.errors import StructureSetError
from contouring.notices import Notice
from contouring.provenance import Origin, Stamp
from contouring.rtstruct import write_structure_set
from contouring.structures import CodedConcept
from contouring.template import Template
from tests.contouring.ct_files import write_tiny_series
from tests.contouring.tiny_structure_sets import (
    CORD,
    ORIGIN,
    PAROTID,
    STAMP,
    complaints,
    drawn_on,
    parsed,
    tiny_series,
    written,
)

UNUSUAL_HEADERS: list[dict[str, Any]] = [
    {},
    {"PatientName": None, "PatientID": None, "PatientSex": None, "PatientBirthDate": None},
    {"StudyID": None, "StudyTime": None, "StudyDate": None, "AccessionNumber": None},
    {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Иван"},
    {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
    {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"},
    {"TimezoneOffsetFromUTC": "+0200", "PatientAge": "061Y", "PatientWeight": "70.5"},
    {"Manufacturer": "", "ManufacturerModelName": None},
]


@pytest.mark.parametrize("values", UNUSUAL_HEADERS)
def test_three_judges_have_nothing_to_say(tmp_path: Path, values: dict[str, Any]) -> None:
    """Planning systems drop files for less, whatever the scanner left out."""
    content, _ = written(tmp_path / "ct", values=values)

    assert complaints(content, tmp_path) == []


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """A job that is run again must not make a second structure set."""
    first, series = written(tmp_path)

    again = write_structure_set(
        read_series(tmp_path), drawn_on(series, CORD, PAROTID), ORIGIN, STAMP
    )

    assert again == first


def test_the_preamble_is_empty(tmp_path: Path) -> None:
    """Nothing may take the file for a program or a page."""
    content, _ = written(tmp_path)

    assert content.startswith(PREAMBLE)


def test_pydicom_would_write_the_same_bytes(tmp_path: Path) -> None:
    """The shortcut for contours is a faster pen, not another hand."""
    content, _ = written(tmp_path)
    dataset = parsed(content)

    anew = BytesIO()
    decoded = [element.value for element in dataset.iterall()]
    copy = pydicom.FileDataset("", Dataset(dataset), b"\0" * 128, dataset.file_meta)
    copy.save_as(anew, enforce_file_format=True)

    assert decoded
    assert anew.getvalue() == content


def test_the_envelope_holds_exactly_this(tmp_path: Path) -> None:
    """Every attribute of the file's first level has been chosen; none slips in or out unseen."""
    dataset = parsed(written(tmp_path)[0])

    values = {
        element.keyword: element.value
        for element in dataset
        if element.VR not in ("SQ", "UI") and not element.is_empty
    }
    assert values == {
        "SpecificCharacterSet": "ISO_IR 192",
        "InstanceCreationDate": "20260304",
        "InstanceCreationTime": "050607",
        "StudyDate": "20260101",
        "SeriesDate": "20260304",
        "StudyTime": "120000",
        "SeriesTime": "050607",
        "Modality": "RTSTRUCT",
        "Manufacturer": "Oarlock",
        "StudyDescription": "Oarlock commissioning",
        "SeriesDescription": "AI, not reviewed: commissioning 1.0.0 for generic",
        "ManufacturerModelName": "Oarlock",
        "PatientName": "Phantom^Oarlock",
        "PatientID": "OARLOCK-PHANTOM",
        "PatientSex": "O",
        "DeviceSerialNumber": "0123456789abcdef",
        "SoftwareVersions": ["0.1.0", "commissioning 1.0.0"],
        "StudyID": "1",
        "SeriesNumber": 7000,
        "InstanceNumber": 1,
        "StructureSetLabel": "AI commissioning",
        "StructureSetName": "commissioning 1.0.0 (0123456789ab)",
        "StructureSetDescription": (
            "AI, not reviewed. Drawn by commissioning 1.0.0, sha256 "
            f"{ORIGIN.checksum}; template generic."
        ),
        "StructureSetDate": "20260304",
        "StructureSetTime": "050607",
        "ApprovalStatus": "UNAPPROVED",
    }
    assert {element.keyword for element in dataset if element.is_empty} == {
        "AccessionNumber",
        "ReferringPhysicianName",
        "OperatorsName",
        "PatientBirthDate",
        "PositionReferenceIndicator",
    }
    assert {element.keyword for element in dataset if element.VR == "SQ"} == {
        "ContributingEquipmentSequence",
        "ReferencedFrameOfReferenceSequence",
        "StructureSetROISequence",
        "ROIContourSequence",
        "RTROIObservationsSequence",
    }
    meta = dataset.file_meta
    assert meta.MediaStorageSOPClassUID == dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.481.3"
    assert meta.ImplementationClassUID.startswith("2.25.")
    assert meta.ImplementationVersionName == "OARLOCK"


OTHER = Template("other", checksum="9" * 64)


@pytest.mark.parametrize(
    ("origin", "stamp", "template"),
    [
        (replace(ORIGIN, checksum="f" * 64), STAMP, Template("generic")),
        (replace(ORIGIN, runtime="TensorRT 10"), STAMP, Template("generic")),
        (replace(ORIGIN, plan="windows 64x64x64"), STAMP, Template("generic")),
        (ORIGIN, replace(STAMP, made_at=datetime(2027, 1, 1, tzinfo=UTC)), Template("generic")),
        (ORIGIN, replace(STAMP, software_version="0.2.0"), Template("generic")),
        (ORIGIN, STAMP, Template("other")),
        (ORIGIN, STAMP, Template("generic", checksum="9" * 64)),
    ],
    ids=["model", "runtime", "plan", "time", "software", "template", "the template's content"],
)
def test_another_origin_gives_another_instance(
    tmp_path: Path, origin: Origin, stamp: Stamp, template: Template
) -> None:
    """Two contents under one UID would be mixed up in an archive."""
    content, series = written(tmp_path)

    other = parsed(
        write_structure_set(series, drawn_on(series, CORD), origin, stamp, template=template)
    )

    assert other.SOPInstanceUID != parsed(content).SOPInstanceUID
    assert other.SeriesInstanceUID != parsed(content).SeriesInstanceUID


def test_uids_are_valid_and_derived(tmp_path: Path) -> None:
    """At most 64 characters under the root that anyone may use, each a UUID of its own making."""
    dataset = parsed(written(tmp_path)[0])

    uids = [dataset.SOPInstanceUID, dataset.SeriesInstanceUID]
    numbers = [int(uid.removeprefix("2.25.")) for uid in uids]
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)
    assert [(number >> 76 & 0xF, number >> 62 & 0x3) for number in numbers] == [(8, 2), (8, 2)]
    assert len(set(uids)) == 2
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"


def test_it_is_a_draft_that_says_who_drew_it(tmp_path: Path) -> None:
    """A person decides; the file must not look as if one had."""
    series = tiny_series(tmp_path)
    origin = replace(ORIGIN, runtime="CPUExecutionProvider 1.27", plan="windows 64x64x64")

    content = write_structure_set(series, drawn_on(series, PAROTID), origin, STAMP, (), OTHER)

    dataset = parsed(content)
    assert dataset.ApprovalStatus == "UNAPPROVED"
    assert "ReviewDate" not in dataset
    assert "AI, not reviewed" in dataset.SeriesDescription
    assert dataset.SeriesDescription.endswith("for other")
    assert dataset.StructureSetDescription.startswith("AI, not reviewed. Drawn by commissioning")
    assert ORIGIN.checksum in dataset.StructureSetDescription
    assert "CPUExecutionProvider 1.27" in dataset.StructureSetDescription
    assert dataset.StructureSetLabel == "AI commissioning"
    assert dataset.StructureSetName == "commissioning 1.0.0 (0123456789ab)"
    assert (dataset.Manufacturer, dataset.ManufacturerModelName) == ("Oarlock", "Oarlock")
    assert dataset.DeviceSerialNumber == ORIGIN.checksum[:16]
    assert list(dataset.SoftwareVersions) == ["0.1.0", "commissioning 1.0.0"]
    assert (dataset.StructureSetDate, dataset.StructureSetTime) == ("20260304", "050607")
    assert (dataset.InstanceCreationDate, dataset.SeriesTime) == ("20260304", "050607")
    assert (dataset.Modality, dataset.SeriesNumber) == ("RTSTRUCT", 7000)


def test_scanner_and_software_are_both_named_as_contributors(tmp_path: Path) -> None:
    """Years later the file must still tell which scanner and which software it is from."""
    content, _ = written(
        tmp_path, values={"Manufacturer": "Müller AG", "SpecificCharacterSet": "ISO_IR 100"}
    )

    scanner, software = parsed(content).ContributingEquipmentSequence
    assert scanner.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
    assert scanner.Manufacturer == "Müller AG"
    assert scanner.ManufacturerModelName == "Analytic phantom"
    assert software.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert software.ContributionDateTime == "20260304050607"


def test_a_scanner_without_a_maker_is_left_out(tmp_path: Path) -> None:
    """The maker is mandatory in the item, and nothing is invented."""
    content, _ = written(tmp_path, values={"Manufacturer": ""})

    (software,) = parsed(content).ContributingEquipmentSequence
    assert software.Manufacturer == "Oarlock"


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
    "name", ["", "A" * 17, "Two Words", "Größe", "Paro\ttid", "A\\B", "Line\nbreak"]
)
def test_a_name_that_planning_systems_refuse_is_refused_here(tmp_path: Path, name: str) -> None:
    """TG-263: at most 16 characters, ASCII, no space; a backslash would make two names of it."""
    with pytest.raises(StructureSetError, match="no ROI name: 1 to 16 ASCII"):
        written(tmp_path, replace(CORD, name=name))


def test_a_template_may_allow_longer_names(tmp_path: Path) -> None:
    """DICOM itself has room for 64 characters."""
    series = tiny_series(tmp_path / "ct")
    drawn = drawn_on(series, replace(CORD, name="N" * 64))

    content = write_structure_set(
        series, drawn, ORIGIN, STAMP, template=Template("long", name_limit=64)
    )

    assert parsed(content).StructureSetROISequence[0].ROIName == "N" * 64
    assert complaints(content, tmp_path) == []


def test_names_that_differ_only_by_case_are_refused(tmp_path: Path) -> None:
    """Some planning systems would merge them."""
    with pytest.raises(StructureSetError, match=r"repeat but for case: SpinalCord, spinalcord\."):
        written(tmp_path, CORD, replace(CORD, name="spinalcord"))


def test_a_structure_set_without_structures_is_refused(tmp_path: Path) -> None:
    """Its sequences must hold at least one item."""
    series = tiny_series(tmp_path)

    with pytest.raises(StructureSetError, match="nothing to write"):
        write_structure_set(series, [], ORIGIN, STAMP)


def test_a_structure_without_contours_has_no_contour_sequence(tmp_path: Path) -> None:
    """An empty sequence makes some readers fail; a volume of nothing would look measured."""
    series = tiny_series(tmp_path / "ct")
    empty = StructureContours(PAROTID, (), 0.0)

    content = write_structure_set(series, [*drawn_on(series, CORD), empty], ORIGIN, STAMP)

    dataset = parsed(content)
    rois = list(dataset.ROIContourSequence)
    assert ["ContourSequence" in roi for roi in rois] == [True, False]
    assert ["ROIVolume" in roi for roi in dataset.StructureSetROISequence] == [True, False]
    assert complaints(content, tmp_path) == []


def test_warnings_stand_in_the_file(tmp_path: Path) -> None:
    """The file goes on without the job that could tell them."""
    series = tiny_series(tmp_path)
    warnings = [Notice("uneven-spacing", "2.5 – 5 mm."), "Larynx — 见 not found. " * 99]

    content = write_structure_set(series, drawn_on(series, CORD), ORIGIN, STAMP, warnings)

    description = parsed(content).StructureSetDescription
    assert "uneven-spacing: 2.5 - 5 mm. Larynx - ? not found." in description
    assert len(description) == 1024
    assert description.endswith("...")
    assert complaints(content, tmp_path) == []


def test_a_long_name_of_a_model_is_cut_where_the_file_has_no_room(tmp_path: Path) -> None:
    """A value over its length makes strict readers refuse the file."""
    series = tiny_series(tmp_path / "ct")
    code = CodedConcept("45289007", "SCT", "Parotid gland")
    origin = replace(ORIGIN, name="m" * 41, version="10.20.30")

    content = write_structure_set(
        series, drawn_on(series, replace(PAROTID, code=code)), origin, STAMP
    )

    dataset = parsed(content)
    assert len(dataset.SeriesDescription) <= 64
    assert len(dataset.StructureSetLabel) == 16
    assert complaints(content, tmp_path) == []
