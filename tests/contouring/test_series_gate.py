"""What a series must satisfy: each fault is refused, and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from contouring.dicom_series import find_series
from tests.contouring.ct_files import (
    TINY_SCAN,
    copy,
    edit,
    move,
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
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, 1]}, "mixed-ImageOrientationPatient"),
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


def test_two_slices_in_one_place_are_refused(tmp_path: Path) -> None:
    """Two acquisitions in one series: which one the contours belong to is unknown."""
    files = write_tiny_series(tmp_path)
    double = copy(files[2], "CT0099.dcm")
    edit(double, SOPInstanceUID="1.2.3.4")

    fault, reason = the_refusal([*files, double])

    assert fault == "duplicate-position"
    assert "CT0003.dcm and CT0099.dcm" in reason


@pytest.mark.parametrize("lost", [[3], [3, 4], [1], [6], [2, 5]])
def test_a_missing_slice_is_refused_with_its_place(tmp_path: Path, lost: list[int]) -> None:
    """Interpolating over what was not sent would be a guess."""
    files = write_tiny_series(tmp_path)
    before = pydicom.dcmread(files[lost[0] - 1]).ImagePositionPatient[2]

    fault, reason = the_refusal([file for k, file in enumerate(files) if k not in lost])

    assert fault == "missing-slice"
    missing = 2 if lost == [3, 4] else 1
    assert f"{missing} slice(s) missing between z = {before:.2f} mm" in reason


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    """Slices shifted within their planes are no box of voxels."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        move(file, y=0.5 * number)

    fault, reason = the_refusal(files)

    assert fault == "gantry-tilt"
    assert "CT0008.dcm is shifted 3.5 mm" in reason


def test_one_slice_that_slipped_sideways_is_refused(tmp_path: Path) -> None:
    """The same fault in a single slice."""
    files = write_tiny_series(tmp_path)
    move(files[4], x=0.4)

    fault, reason = the_refusal(files)

    assert fault == "gantry-tilt"
    assert "CT0005.dcm" in reason


def test_a_file_that_was_sent_twice_is_dropped_with_a_warning(tmp_path: Path) -> None:
    """Senders repeat themselves; the bytes say that nothing differs."""
    files = write_tiny_series(tmp_path)

    (series,) = find_series([*files, copy(files[2], "again.dcm")]).series

    assert len(series.instances) == 8
    assert series.warnings == ("1 repeated files were dropped.",)


def test_one_uid_with_two_contents_is_refused(tmp_path: Path) -> None:
    """Which of them the planning system has is unknown."""
    files = write_tiny_series(tmp_path)
    other = copy(files[2], "other.dcm")
    edit(other, WindowCenter=41)

    fault, reason = the_refusal([*files, other])

    assert fault == "same-uid-other-bytes"
    assert "CT0003.dcm and other.dcm" in reason


@pytest.mark.parametrize("count", [1, 2])
def test_a_series_of_too_few_slices_is_refused(tmp_path: Path, count: int) -> None:
    """Without neighbours there is no spacing to check."""
    files = write_tiny_series(tmp_path)

    fault, reason = the_refusal(files[:count])

    assert fault == "too-few-slices"
    assert f"has {count} slices" in reason


def test_jitter_that_scanners_write_is_taken_without_a_word(tmp_path: Path) -> None:
    """A hundredth of a millimetre is rounding."""
    files = write_tiny_series(tmp_path)
    move(files[3], z=0.004)
    move(files[5], z=-0.004)

    (series,) = find_series(files).series

    assert series.warnings == ()


def test_a_change_of_spacing_that_lasts_is_kept_with_a_warning(tmp_path: Path) -> None:
    """Thin slices through the skull base, thick ones above: complete, but uneven."""
    offsets = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 17.5, 22.5, 27.5)
    files = write_small_series(tmp_path, scan=replace(TINY_SCAN, slice_offsets_mm=offsets))

    (series,) = find_series(files).series

    assert series.warnings == ("Slices are 2.50 to 5.00 mm apart; each keeps its place.",)
    assert np.diff(series.grid.axes_mm[0]).tolist() == pytest.approx(np.diff(offsets).tolist())


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
