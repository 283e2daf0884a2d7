"""What a series must satisfy: each fault is refused, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contouring.ct_files import copy, edit, the_refusal, write_raw, write_tiny_series


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


def test_one_uid_with_two_contents_is_refused(tmp_path: Path) -> None:
    """Which of them the planning system has is unknown."""
    files = write_tiny_series(tmp_path)
    other = copy(files[2], "other.dcm")
    edit(other, WindowCenter=41)

    fault, reason = the_refusal([*files, other])

    assert fault == "same-uid-other-bytes"
    assert "CT0003.dcm and other.dcm" in reason


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
