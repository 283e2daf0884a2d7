"""The phantom as DICOM: what a reader that knows nothing of it finds in the files."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.phantom_series import (
    SeriesHeader,
    derived_uid,
    holds_other_than_phantom,
    write_phantom,
)
from contouring.phantom_shapes import FloatArray, rotation
from tests.phantoms import SMALL_SCAN, one_structure_phantom, write_small_series

OBLIQUE = replace(SMALL_SCAN, position="FFP", obliqueness=rotation((1.0, -2.0, 0.7), 17.0))
SPARSE_OFFSETS_MM = tuple(float(z) for z in range(-120, 121, 24))


def pixel_points_mm(dataset: pydicom.Dataset) -> FloatArray:
    """(3, rows, columns) patient points by PS3.3 C.7.6.2.1.1, from the file's attributes alone."""
    position = np.array(dataset.ImagePositionPatient, dtype=float)
    orientation = np.array(dataset.ImageOrientationPatient, dtype=float)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    columns = np.arange(dataset.Columns) * between_columns
    rows = np.arange(dataset.Rows) * between_rows
    across = orientation[:3, None, None] * columns[None, None, :]
    down = orientation[3:, None, None] * rows[None, :, None]
    return position[:, None, None] + across + down


def hu_of(dataset: pydicom.Dataset) -> FloatArray:
    """(rows, columns) HU by the file's own rescale."""
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def digest(files: list[Path]) -> list[str]:
    """SHA-256 of each file."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_the_anatomy_stays_in_the_patient_in_every_position(tmp_path: Path, position: str) -> None:
    """A patient turned on the table keeps the left parotid left."""
    scan = Scan(
        position=position,
        rows=100,
        columns=140,
        row_spacing_mm=2.5,
        column_spacing_mm=2.0,
        slice_offsets_mm=SPARSE_OFFSETS_MM,
    )

    files = write_phantom(tmp_path, scan=scan)

    for file in files:
        dataset = pydicom.dcmread(file)
        assert dataset.PatientPosition == position
        expected = HEAD_AND_NECK.hu(*pixel_points_mm(dataset))
        # A pixel on the very edge of a region may fall to either side.
        assert np.mean(np.abs(hu_of(dataset) - expected) > 0.51) < 1e-4


@pytest.mark.parametrize(
    "scan",
    [
        *(pytest.param(replace(SMALL_SCAN, position=p), id=p) for p in PATIENT_POSITIONS),
        pytest.param(OBLIQUE, id="oblique"),
        pytest.param(replace(SMALL_SCAN, rows=40, column_spacing_mm=1 / 3), id="non-square"),
    ],
)
def test_dciodvfy_finds_no_error_in_the_slices(tmp_path: Path, scan: Scan) -> None:
    """A phantom that a planning system refuses to import commissions nothing."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")

    files = write_small_series(tmp_path, scan)

    for file in (files[0], files[-1]):
        verdict = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False)
        lines = (verdict.stdout + verdict.stderr).splitlines()
        assert "CTImage" in lines
        assert [line for line in lines if line.startswith(("Error", "Warning"))] == []


def test_the_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    """Results are compared byte by byte, so the input must be too."""
    first = write_small_series(tmp_path / "first")

    second = write_small_series(tmp_path / "second")

    assert digest(first) == digest(second)


@pytest.mark.parametrize(
    "other",
    [
        {"scan": replace(SMALL_SCAN, position="HFP")},
        {"header": SeriesHeader(seed="another")},
        {"header": SeriesHeader(patient_name="Another^Patient")},
        {"phantom": one_structure_phantom(name="Cord")},
    ],
)
def test_other_requests_share_no_uid(tmp_path: Path, other: dict[str, object]) -> None:
    """One UID for two different images would let a server mistake one for the other."""
    request: dict[str, object] = {"phantom": one_structure_phantom(), "scan": SMALL_SCAN}

    first = write_phantom(tmp_path / "first", **request)  # type: ignore[arg-type]
    second = write_phantom(tmp_path / "second", **(request | other))  # type: ignore[arg-type]

    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert pydicom.dcmread(first[0])[keyword] != pydicom.dcmread(second[0])[keyword]
    sop_uids = {pydicom.dcmread(file).SOPInstanceUID for file in first + second}
    assert len(sop_uids) == len(first) + len(second)


def test_uids_are_valid_under_2_25() -> None:
    """DICOM PS3.5 B.2: the decimal value of 128 bits, at most 64 characters in all."""
    uid = derived_uid("series", "slice 1")

    assert pydicom.uid.UID(uid).is_valid
    assert int(uid.removeprefix("2.25.")) < 2**128
    assert derived_uid("series", "slice 1") == uid
    assert derived_uid("series", "slice 2") != uid


def test_shuffled_files_hold_the_same_slices_in_another_order(tmp_path: Path) -> None:
    """Readers must not trust names; the returned list still follows the slice normal."""
    shuffled = write_small_series(tmp_path, header=SeriesHeader(shuffle_files=True))

    heights = [pydicom.dcmread(file).ImagePositionPatient[2] for file in shuffled]

    assert heights == sorted(heights)
    assert shuffled != sorted(shuffled)
    assert set(shuffled) == set(tmp_path.iterdir())


def test_gaps_between_slices_are_written_as_asked(tmp_path: Path) -> None:
    """Tests of missing slices need a series that says the truth about them."""
    scan = replace(SMALL_SCAN, slice_offsets_mm=(-10.0, -7.5, 0.0, 2.5))

    files = write_small_series(tmp_path, scan)

    heights = [float(pydicom.dcmread(file).ImagePositionPatient[2]) for file in files]
    assert heights == [-10.0, -7.5, 0.0, 2.5]


def test_another_rescale_says_the_same_hu(tmp_path: Path) -> None:
    """Slope and intercept belong to each file; the image does not change with them."""
    plain = write_small_series(tmp_path / "plain")

    other = write_small_series(
        tmp_path / "other", header=SeriesHeader(rescale_slope=0.5, rescale_intercept=-2000.0)
    )

    for first, second in zip(plain, other, strict=True):
        a, b = pydicom.dcmread(first), pydicom.dcmread(second)
        assert not np.array_equal(a.pixel_array, b.pixel_array)
        assert np.array_equal(hu_of(a), hu_of(b))


def test_a_rescale_that_loses_hu_is_refused(tmp_path: Path) -> None:
    """Wrapped pixel values would be a silent fault of the test's own input."""
    with pytest.raises(ValueError, match="16 unsigned bits"):
        write_small_series(tmp_path, header=SeriesHeader(rescale_intercept=0.0))


def test_header_values_and_clock_are_those_passed_in(tmp_path: Path) -> None:
    """Nothing in the file may come from the machine that wrote it."""
    header = SeriesHeader(
        patient_name="Ямада^太郎", made_at=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    )

    dataset = pydicom.dcmread(write_small_series(tmp_path, header=header)[0])

    assert dataset.PatientName == "Ямада^太郎"
    assert (dataset.StudyDate, dataset.ContentTime) == ("20310203", "040506")


def test_a_folder_of_a_phantom_is_known_from_any_other(tmp_path: Path) -> None:
    """Only a phantom may be overwritten: names alone are also those of scanners."""
    files = write_small_series(tmp_path / "phantom")
    write_small_series(tmp_path / "patient", header=SeriesHeader(patient_id="4711"))
    write_small_series(tmp_path / "both")
    (tmp_path / "both" / "CT0999.dcm").write_bytes(b"no DICOM at all")

    holding = [
        folder
        for folder in ("phantom", "patient", "both", "nowhere")
        if holds_other_than_phantom(tmp_path / folder)
    ]
    files[0].rename(files[0].with_name("IM1"))

    assert holding == ["patient", "both"]
    assert holds_other_than_phantom(tmp_path / "phantom")
