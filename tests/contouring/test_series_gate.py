"""What a series must satisfy: each fault is refused, and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from contouring.dicom_series import find_series
from tests.contouring.ct_files import (
    TINY_SCAN,
    copy,
    edit,
    names_of,
    the_refusal,
    write_raw,
    write_tiny_series,
)
from tests.phantoms import write_small_series


@pytest.mark.parametrize(
    "keyword",
    [
        "StudyInstanceUID",
        "SOPInstanceUID",
        "FrameOfReferenceUID",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
        "Columns",
        "BitsAllocated",
        "PixelRepresentation",
        "RescaleSlope",
        "RescaleIntercept",
    ],
)
def test_a_slice_without_its_place_is_refused_by_name(tmp_path: Path, keyword: str) -> None:
    """What is missing is never invented."""
    files = write_tiny_series(tmp_path)
    edit(files[4], **{keyword: None})

    fault, reason = the_refusal(files)

    assert fault == f"no-{keyword}"
    assert "CT0005.dcm" in reason
    assert keyword in reason


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", b"1\\2 "),
        ("ImagePositionPatient", b"1\\2\\nan "),
        ("ImagePositionPatient", b"1\\2\\inf "),
        ("ImagePositionPatient", b"here\\1\\2"),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1 "),
        ("ImageOrientationPatient", b"nan\\0\\0\\0\\1\\0"),
        ("PixelSpacing", b"1 "),
        ("PixelSpacing", b"nan\\1 "),
        ("PixelSpacing", b"inf\\1 "),
        ("RescaleSlope", b"one "),
        ("RescaleIntercept", b"-1x4"),
        ("RescaleIntercept", b"1\\2 "),
    ],
)
@pytest.mark.parametrize("every", [False, True], ids=["one slice", "every slice"])
def test_a_place_that_is_no_number_is_refused(
    tmp_path: Path, keyword: str, value: bytes, every: bool
) -> None:
    """NaN compares as neither near nor far: it must not slip through every check."""
    files = write_tiny_series(tmp_path)
    for file in files if every else files[4:5]:
        write_raw(file, keyword, value)

    fault, reason = the_refusal(files)

    assert fault == f"unreadable-{keyword}"
    assert ("CT0001.dcm" if every else "CT0005.dcm") in reason


@pytest.mark.parametrize("spacing", [[0, 1], [1, -1]])
def test_a_pixel_spacing_must_be_positive(tmp_path: Path, spacing: list[float]) -> None:
    """Nothing can be measured with it."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, PixelSpacing=spacing)

    fault, _ = the_refusal(files)

    assert fault == "pixel-spacing"


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0.1, 1, 0], [2, 0, 0, 0, 1, 0], [0] * 6])
def test_directions_must_be_orthonormal(tmp_path: Path, orientation: list[float]) -> None:
    """Else millimetres along them are none."""
    files = write_tiny_series(tmp_path)
    edit(files[0], ImageOrientationPatient=orientation)

    fault, reason = the_refusal(files)

    assert fault == "orientation-not-orthonormal"
    assert "CT0001.dcm" in reason


def test_an_animal_is_refused(tmp_path: Path) -> None:
    """Its axes mean other sides of the body."""
    files = write_tiny_series(tmp_path)
    edit(files[0], AnatomicalOrientationType="QUADRUPED")

    assert the_refusal(files)[0] == "quadruped"


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"FrameOfReferenceUID": "1.2.3"}, "mixed-FrameOfReferenceUID"),
        ({"StudyInstanceUID": "1.2.3"}, "mixed-StudyInstanceUID"),
        ({"Rows": 17}, "mixed-Rows"),
        ({"Columns": 21}, "mixed-Columns"),
        ({"PixelSpacing": [1, 1.001]}, "mixed-PixelSpacing"),
        ({"PatientSex": "F"}, "mixed-PatientSex"),
        ({"PatientBirthDate": "19500101"}, "mixed-PatientBirthDate"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]}, "mixed-ImageOrientationPatient"),
    ],
)
def test_slices_that_differ_in_geometry_are_refused(
    tmp_path: Path, values: dict[str, object], fault: str
) -> None:
    """Two scans in one series have no common grid."""
    files = write_tiny_series(tmp_path)
    edit(files[5], **values)

    found, reason = the_refusal(files)

    assert found == fault
    assert "CT0006.dcm" in reason


def test_a_file_that_was_sent_twice_is_dropped_with_a_warning(tmp_path: Path) -> None:
    """Senders repeat themselves; the bytes say that nothing differs."""
    files = write_tiny_series(tmp_path)

    (series,) = find_series([*files, copy(files[2], "again.dcm")]).series

    assert len(series.instances) == 8
    assert [str(notice) for notice in series.warnings] == [
        "repeated-file: 1 repeated files were dropped."
    ]


def test_one_uid_with_two_contents_is_refused(tmp_path: Path) -> None:
    """Which of them the planning system has is unknown."""
    files = write_tiny_series(tmp_path)
    other = copy(files[2], "other.dcm")
    edit(other, WindowCenter=41)

    fault, reason = the_refusal([*files, other])

    assert fault == "same-uid-other-bytes"
    assert "CT0003.dcm and other.dcm" in reason


def test_rows_and_columns_apart_differently_keep_their_order(tmp_path: Path) -> None:
    """PixelSpacing names the distance between rows first."""
    scan = replace(TINY_SCAN, row_spacing_mm=1.5, column_spacing_mm=0.75)
    files = write_small_series(tmp_path, scan=scan)

    (series,) = find_series(files).series

    assert series.grid.pixel_spacing_mm == (1.5, 0.75)
    assert series.grid.axes_mm[1][-1] == pytest.approx(17 * 1.5)
    assert series.grid.axes_mm[2][-1] == pytest.approx(21 * 0.75)


@pytest.mark.parametrize("uid", ["1.2.x.3", "1." + "2" * 63])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_what_is_no_uid_is_refused(tmp_path: Path, keyword: str, uid: str) -> None:
    """It would be copied into a structure set that no archive takes."""
    files = write_tiny_series(tmp_path)
    with pytest.warns(UserWarning, match="UI"):
        edit(files[2], **{keyword: uid})

    fault, reason = the_refusal(files)

    assert fault == f"invalid-{keyword}"
    assert "CT0003.dcm" in reason


@pytest.mark.parametrize(
    "values",
    [
        {"Rows": 0},
        {"Columns": 4097},
        {"Rows": 65535, "Columns": 65535},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "RGB"},
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        {"BitsStored": 8, "HighBit": 7},
        {"BitsStored": 17, "HighBit": 16},
        {"HighBit": 11},
        {"PixelRepresentation": 2},
    ],
    ids=str,
)
def test_pixels_that_hold_no_ct_numbers_are_refused_before_they_are_read(
    tmp_path: Path, values: dict[str, object]
) -> None:
    """Colours, eight bits, or a size that would fill the memory."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, **values)

    fault, reason = the_refusal(files)

    assert fault == "pixel-format"
    assert "CT0001.dcm" in reason


def test_a_scan_of_too_many_voxels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before memory is taken for them."""
    monkeypatch.setattr("contouring.series_gate.MOST_VOXELS", 3000)

    fault, reason = the_refusal(write_tiny_series(tmp_path))

    assert fault == "too-many-voxels"
    assert "3168 voxels" in reason


@pytest.mark.parametrize("slope", ["0", "-1"])
def test_a_rescale_that_turns_values_over_is_refused(tmp_path: Path, slope: str) -> None:
    """Air would be bone."""
    files = write_tiny_series(tmp_path)
    edit(files[4], RescaleSlope=slope)

    fault, reason = the_refusal(files)

    assert fault == "rescale-slope"
    assert f"CT0005.dcm has the RescaleSlope {slope}" in reason


@pytest.mark.parametrize("kind", ["MGML", "HU_MOD", "Z_EFF"])
def test_values_that_are_no_hounsfield_units_are_refused(tmp_path: Path, kind: str) -> None:
    """Iodine, atomic numbers and the like look like a CT."""
    files = write_tiny_series(tmp_path)
    edit(files[4], RescaleType=kind)

    fault, reason = the_refusal(files)

    assert fault == "not-hounsfield"
    assert f"rescaled to {kind}" in reason


@pytest.mark.parametrize("kind", [None, "", "HU", "HU "])
def test_a_rescale_type_that_is_not_written_means_hounsfield(
    tmp_path: Path, kind: str | None
) -> None:
    """The standard asks for it only where it is something else."""
    files = write_tiny_series(tmp_path)
    edit(files[4], RescaleType=kind)

    (series,) = find_series(files).series

    assert series.warnings == ()


@pytest.mark.parametrize(
    ("values", "name", "text"),
    [
        ({"RescaleType": "US"}, "unspecified-rescale", "CT0003.dcm does not say"),
        ({"ConvolutionKernel": "B70f"}, "mixed-reconstruction", "ConvolutionKernel: , B70f"),
        ({"KVP": 80}, "mixed-reconstruction", "Slices differ in KVP: 120"),
        ({"ContrastBolusAgent": "Iodine"}, "contrast-agent", "(Iodine)"),
        ({"ImagesInAcquisition": 9}, "incomplete-acquisition", "9 images; 8 are here"),
        ({"SpecificCharacterSet": "ISO_IR 999"}, "unknown-character-set", "ISO_IR 999"),
    ],
)
def test_oddities_are_taken_with_a_warning(
    tmp_path: Path, values: dict[str, object], name: str, text: str
) -> None:
    """Each may be fine; whoever reads the contours must know."""
    files = write_tiny_series(tmp_path)
    edit(files[2 if name != "unknown-character-set" else 0], **values)

    (series,) = find_series(files).series

    assert names_of(series.warnings) == [name]
    assert text in series.warnings[0].text


@pytest.mark.parametrize("promised", ["", "8", "3"])
def test_as_many_images_as_were_promised_are_enough(tmp_path: Path, promised: str) -> None:
    """Some scanners count each turn of the gantry."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, ImagesInAcquisition=promised)

    (series,) = find_series(files).series

    assert series.warnings == ()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 192", "Ямада^太郎"),
        ("GB18030", "王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
        (None, "Doe^Jane"),
    ],
    ids=str,
)
def test_names_in_any_character_set_of_the_standard_are_taken(
    tmp_path: Path, charset: object, name: str
) -> None:
    """They are copied into the structure set, where they must be the same person's."""
    files = write_tiny_series(tmp_path)
    for file in files:
        edit(file, SpecificCharacterSet=charset, PatientName=name)

    (series,) = find_series(files).series

    assert str(series.header.PatientName) == name
    assert series.warnings == ()


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's own word on it
def test_a_name_outside_its_character_set_is_refused(tmp_path: Path) -> None:
    """What cannot be read cannot be copied: another name is another patient."""
    files = write_tiny_series(tmp_path)
    for file in files:
        write_raw(file, "PatientName", b"M\xfcller^J\xf6rg")

    fault, reason = the_refusal(files)

    assert fault == "undecodable-text"
    assert "PatientName of CT0001.dcm" in reason
    assert "ISO_IR 192" in reason


def test_spacing_that_was_rounded_on_the_way_is_one_spacing(tmp_path: Path) -> None:
    """0.9766 for 0.976562: 0.02 mm over 512 pixels."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        edit(file, PixelSpacing=[0.9766, 0.9766] if number % 2 else [0.976562, 0.976562])

    (series,) = find_series(files).series

    assert len(series.instances) == 8


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120.0", []),
        ("140", ["mixed-reconstruction"]),
        ("high", ["mixed-reconstruction"]),
    ],
)
def test_another_tube_voltage_is_told_however_it_is_written(
    tmp_path: Path, value: str, expected: list[str]
) -> None:
    """120 and 120.0 kV are one."""
    files = write_tiny_series(tmp_path)
    write_raw(files[3], "KVP", value.encode() + b" " * (len(value) % 2))

    (series,) = find_series(files).series

    assert [notice.name for notice in series.warnings] == expected


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(("value", "expected"), [(1024, ["padding-in-tissue"]), (0, [])])
def test_padding_that_is_a_value_of_tissue_is_told(
    tmp_path: Path, syntax: UID, value: int, expected: list[str]
) -> None:
    """1024 is water where the intercept is -1024: all of it would read as air."""
    files = write_tiny_series(tmp_path)
    dataset = pydicom.dcmread(files[3])
    dataset.add_new("PixelPaddingValue", "US", value)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(files[3], implicit_vr=syntax.is_implicit_VR, little_endian=True)

    (series,) = find_series(files).series

    assert [notice.name for notice in series.warnings] == expected
