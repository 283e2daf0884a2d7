"""Cases found among DICOM files, and what was drawn on them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from contouring.dicom_series import read_series
from contouring.errors import UnusableInputError
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.rasters import read_masks
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from models.evaluation.dicom_scans import find_dicom_scans, read_drawn
from tests.phantoms import write_small_series

STAMP = Stamp(datetime(2026, 1, 1, tzinfo=UTC), "test")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a phantom's series and the structure set that was drawn on it."""
    folder = tmp_path_factory.mktemp("patient")
    write_small_series(folder / "ct")
    cascade = open_cascade(read_bundle(RELEASED / "commissioning"), 1)
    (output,) = contour_series(read_series(folder / "ct"), cascade, STAMP).outputs
    (folder / "drawn.dcm").write_bytes(output.rtstruct)
    return folder


def test_a_series_is_paired_with_the_structure_set_that_refers_to_it(
    patient: Path, tmp_path: Path
) -> None:
    """Whatever the files are called, and in whatever folders they lie."""
    shutil.copytree(patient, tmp_path / "patient1")

    (scan,), left_out = find_dicom_scans(tmp_path)

    assert scan.name == "patient1"
    assert scan.structure_set.name == "drawn.dcm"
    assert len(scan.ct_files) == len(list((patient / "ct").iterdir()))
    assert left_out == ()


def test_a_series_that_nobody_drew_on_is_left_out(patient: Path, tmp_path: Path) -> None:
    """There is nothing to hold its contours against."""
    shutil.copytree(patient / "ct", tmp_path / "ct")

    scans, (left_out,) = find_dicom_scans(tmp_path)

    assert scans == ()
    assert (left_out.name, left_out.reason[:16]) == ("ct", "0 structure sets")


def test_two_structure_sets_of_one_series_are_one_too_many(patient: Path, tmp_path: Path) -> None:
    """Which of them is the truth, only their owner knows."""
    shutil.copytree(patient, tmp_path, dirs_exist_ok=True)
    shutil.copy(patient / "drawn.dcm", tmp_path / "again.dcm")

    scans, (left_out,) = find_dicom_scans(tmp_path)

    assert scans == ()
    assert "one must be the truth" in left_out.reason


def test_a_structure_set_without_its_series_is_left_out(patient: Path, tmp_path: Path) -> None:
    """Its CT was not exported; the file is named."""
    shutil.copy(patient / "drawn.dcm", tmp_path)

    scans, (left_out,) = find_dicom_scans(tmp_path)

    assert scans == ()
    assert left_out.name == "drawn.dcm"


def test_what_was_drawn_is_read_to_the_voxel(patient: Path) -> None:
    """By where its contours lie; the release check reads them by what they refer to."""
    series = read_series(patient / "ct")
    content = (patient / "drawn.dcm").read_bytes()

    drawn, notes = read_drawn(content, series)

    (name,) = drawn
    assert drawn[name].sum() > 100
    assert np.array_equal(drawn[name], read_masks(content, series)[name])
    assert notes == ()


def test_contours_that_name_no_image_are_placed_all_the_same(patient: Path) -> None:
    """Contour Image Sequence is optional, and some makers leave it out (PS3.3 C.8.8.6)."""
    series = read_series(patient / "ct")
    content = (patient / "drawn.dcm").read_bytes()
    dataset = pydicom.dcmread(BytesIO(content))
    for item in dataset.ROIContourSequence:
        for contour in item.get("ContourSequence") or []:
            del contour.ContourImageSequence

    drawn, _ = read_drawn(_encode(dataset), series)

    (name,) = drawn
    assert np.array_equal(drawn[name], read_masks(content, series)[name])


def test_contours_beside_the_series_are_told_of(patient: Path) -> None:
    """A structure set of another scan, or one cut short: its scores would be wrong in silence."""
    dataset = pydicom.dcmread(patient / "drawn.dcm")
    (contours,) = (i.ContourSequence for i in dataset.ROIContourSequence if "ContourSequence" in i)
    data = list(contours[0].ContourData)
    contours[0].ContourData = [
        f"{float(v) + 1000:.2f}" if k % 3 == 2 else v for k, v in enumerate(data)
    ]

    _, (note,) = read_drawn(_encode(dataset), read_series(patient / "ct"))

    assert "1 contours lie on no slice" in note


def test_a_series_that_cannot_be_used_says_why(patient: Path, tmp_path: Path) -> None:
    """The reason is the one that the sender would read."""
    shutil.copytree(patient, tmp_path, dirs_exist_ok=True)
    sorted((tmp_path / "ct").iterdir())[5].unlink()
    (scan,), _ = find_dicom_scans(tmp_path)

    with pytest.raises(UnusableInputError, match="slice"):
        scan.open(tmp_path / "unused")


def _encode(dataset: pydicom.Dataset) -> bytes:
    content = BytesIO()
    dataset.save_as(content)
    return content.getvalue()
