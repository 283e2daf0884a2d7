"""What is copied of the CT, and in which letters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian

from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries
from contouring.rtstruct import write_structure_set
from contouring.structures import CodedConcept
from tests.contouring.ct_files import write_raw
from tests.contouring.tiny_structure_sets import (
    ORIGIN,
    PAROTID,
    STAMP,
    complaints,
    drawn_on,
    parsed,
    tiny_series,
    written,
)

LETTERS: list[tuple[str | list[str], str]] = [
    ("ISO_IR 144", "Иванов^Иван"),
    ("ISO_IR 192", "Ямада^太郎"),
    ("ISO_IR 100", "Müller^Jörg"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("GB18030", "Xia^A=俓^乗"),  # a byte of each is a backslash
]
GLAND = replace(PAROTID, description="Ohrspeicheldrüse links")


def raw_value(content: bytes, keyword: str) -> bytes:
    """The bytes of a value, as the file holds them."""
    dataset = parsed(content)
    element = dataset.get_item(keyword)
    assert isinstance(element, pydicom.dataelem.RawDataElement)
    return element.value or b""


def raw_of(series: CTSeries, keyword: str) -> bytes:
    """The same, of the CT's first slice."""
    return raw_value(series.instances[0].path.read_bytes(), keyword)


@pytest.mark.parametrize(("charset", "name"), LETTERS)
def test_a_patient_s_name_survives_in_its_character_set(
    tmp_path: Path, charset: str | list[str], name: str
) -> None:
    """A file whose patient is called ????? belongs to nobody."""
    values = {"SpecificCharacterSet": charset, "PatientName": name, "StudyDescription": name}

    content, series = written(tmp_path, values=values)

    dataset = parsed(content)
    assert str(dataset.PatientName) == name == str(series.header.PatientName)
    assert dataset.SpecificCharacterSet == charset
    for keyword in ("PatientName", "StudyDescription", "PatientID", "StudyDate"):
        assert raw_value(content, keyword) == raw_of(series, keyword)


@pytest.mark.parametrize(
    "name",
    [
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J",
    ],
    ids=["back to ASCII", "back to JIS X 0201"],
)
def test_not_one_byte_of_a_name_is_spelled_anew(tmp_path: Path, name: bytes) -> None:
    """ISO 2022 has several spellings of a name, and archives compare bytes."""
    folder = tmp_path / "ct"
    series = tiny_series(folder, {"SpecificCharacterSet": ["", "ISO 2022 IR 87"]})
    write_raw(series.instances[0].path, "PatientName", name)

    content = write_structure_set(series, drawn_on(series, PAROTID), ORIGIN, STAMP)

    assert raw_value(content, "PatientName") == name


def test_words_that_the_ct_s_character_set_holds_are_written_in_it(tmp_path: Path) -> None:
    """Systems that know Latin-1 and not Unicode are left as they are."""
    values = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg"}

    content, _ = written(tmp_path / "ct", GLAND, values=values)

    dataset = parsed(content)
    assert dataset.SpecificCharacterSet == "ISO_IR 100"
    assert str(dataset.PatientName) == "Müller^Jörg"
    assert dataset.StructureSetROISequence[0].ROIDescription == "Ohrspeicheldrüse links"
    assert complaints(content, tmp_path) == []


@pytest.mark.parametrize(("charset", "name"), LETTERS[:1] + LETTERS[3:4])
def test_words_beyond_the_ct_s_character_set_are_written_in_unicode(
    tmp_path: Path, charset: str | list[str], name: str
) -> None:
    """A description in German must not turn a Cyrillic name into question marks, nor itself."""
    gland = replace(GLAND, code=CodedConcept("45289007", "SCT", "Ohrspeicheldrüse 🙂"))
    values = {
        "SpecificCharacterSet": charset,
        "PatientName": name,
        "InstitutionName": name.split("=")[-1],
    }

    content, _ = written(tmp_path / "ct", gland, values=values)

    dataset = parsed(content)
    (observation,) = dataset.RTROIObservationsSequence
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert str(dataset.PatientName) == name
    assert dataset.ContributingEquipmentSequence[0].InstitutionName == name.split("=")[-1]
    assert dataset.StructureSetROISequence[0].ROIDescription == "Ohrspeicheldrüse links"
    assert observation.RTROIIdentificationCodeSequence[0].CodeMeaning == "Ohrspeicheldrüse 🙂"
    assert complaints(content, tmp_path) == []


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (None, b"M\xfcller^J\xf6rg "),
        ("ISO_IR 13", b"M\xfcller^J\xf6rg "),
        ("ISO_IR 999", b"M\xfcller^J\xf6rg "),
    ],
    ids=["no character set", "not what it says", "unknown"],
)
def test_a_name_that_cannot_be_read_for_certain_keeps_its_bytes(
    tmp_path: Path, charset: str | None, name: bytes
) -> None:
    """A guess at its letters would be another name; our own words can do without theirs."""
    series = tiny_series(tmp_path / "ct", {"SpecificCharacterSet": charset})
    write_raw(series.instances[0].path, "PatientName", name)

    content = write_structure_set(series, drawn_on(series, GLAND), ORIGIN, STAMP)

    dataset = parsed(content)
    assert raw_value(content, "PatientName") == name
    assert dataset.get("SpecificCharacterSet") == charset
    assert dataset.StructureSetROISequence[0].ROIDescription == "Ohrspeicheldruse links"


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


def test_a_value_of_odd_length_is_padded(tmp_path: Path) -> None:
    """Some scanners forget it; a file with one would be misread from there on."""
    series = tiny_series(tmp_path / "ct")
    write_raw(series.instances[0].path, "PatientID", b"P17")

    content = write_structure_set(series, drawn_on(series, PAROTID), ORIGIN, STAMP)

    assert raw_value(content, "PatientID") == b"P17 "
    assert complaints(content, tmp_path) == []


def test_a_ct_in_big_endian_is_copied_as_well(tmp_path: Path) -> None:
    """Only numbers are turned round, and none of what is copied is one."""
    values = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jörg", "PatientID": "17"}
    series = tiny_series(tmp_path / "ct", values)
    path = series.instances[0].path
    before = raw_of(series, "PatientName")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    elements = [element for element in dataset.iterall() if element.keyword != "PixelData"]
    turned = pydicom.FileDataset(path, pydicom.Dataset(), dataset.preamble, dataset.file_meta)
    turned.set_original_encoding(None, None)
    turned.update({element.tag: element for element in elements})
    turned.save_as(path, implicit_vr=False, little_endian=False)

    content = write_structure_set(series, drawn_on(series, PAROTID), ORIGIN, STAMP)

    assert b"\x00\x10\x00\x10PN" in path.read_bytes()
    assert raw_value(content, "PatientName") == before
    assert parsed(content).PatientID == "17"
    assert parsed(content).StudyInstanceUID == series.study_instance_uid


def test_an_empty_value_is_copied_as_empty(tmp_path: Path) -> None:
    """Empty says that the site left it empty; missing says nothing."""
    series = tiny_series(tmp_path / "ct", {"StudyDescription": "", "SpecificCharacterSet": ""})

    content = write_structure_set(series, [StructureContours(PAROTID, (), 0.0)], ORIGIN, STAMP)

    dataset = parsed(content)
    assert "StudyDescription" in dataset
    assert not dataset.StudyDescription
    assert not dataset.SpecificCharacterSet
