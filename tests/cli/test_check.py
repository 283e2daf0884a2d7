"""`oarlock check` prints a verdict that a person can read, and one that a program can."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom

from contouring.phantom_series import SeriesHeader
from tests.cli.shell import run
from tests.phantoms import write_small_series


def test_an_accepted_series_leaves_with_0(tmp_path: Path) -> None:
    """A script goes on with it."""
    files = write_small_series(tmp_path)

    done = run("check", tmp_path)

    assert done.returncode == 0
    assert "accepted" in done.stdout
    assert str(pydicom.dcmread(files[0]).SeriesInstanceUID) in done.stdout
    assert done.stderr == ""


def test_a_warning_is_told_and_still_leaves_with_0(tmp_path: Path) -> None:
    """The series can be contoured; what is odd about it stands beside the verdict."""
    write_small_series(tmp_path)
    (tmp_path / "again.dcm").write_bytes((tmp_path / "CT0004.dcm").read_bytes())

    done = run("check", tmp_path)

    assert done.returncode == 0
    assert "accepted with warnings" in done.stdout


def test_a_refused_series_leaves_with_2_and_its_place(tmp_path: Path) -> None:
    """Also beside a good one: nothing that was refused is passed over."""
    write_small_series(tmp_path / "good")
    header = SeriesHeader(seed="gap", series_description="Neck with a gap")
    write_small_series(tmp_path / "gap", header=header)[9].unlink()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "notes.txt").write_text("not a slice")

    done = run("check", tmp_path)

    assert done.returncode == 2
    assert "refused" in done.stdout
    assert "accepted" in done.stdout
    assert "refused  Neck with a gap, 19 slices" in done.stdout
    assert "missing-slice: " in done.stdout
    assert "(gap/CT0009.dcm, gap/CT0011.dcm): export the whole series again." in done.stdout
    assert "papers/notes.txt: not a DICOM file" in done.stdout


def test_a_program_gets_the_same_as_json(tmp_path: Path) -> None:
    """As POST /v1/check answers it, and nothing else on standard output."""
    files = write_small_series(tmp_path)
    files[9].unlink()

    done = run("check", tmp_path, "--json")

    (verdict,) = json.loads(done.stdout)["verdicts"]
    assert done.returncode == 2
    assert (verdict["outcome"], verdict["refusal"]["name"]) == ("refused", "missing-slice")


def test_a_folder_without_a_series_leaves_with_2(tmp_path: Path) -> None:
    """There is nothing to give a verdict on."""
    (tmp_path / "notes.txt").write_text("not a slice")

    done = run("check", tmp_path)

    assert done.returncode == 2
    assert "notes.txt is not a DICOM file" in done.stderr
    assert "zip" not in done.stderr  # it would be left out as well
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_called_empty(tmp_path: Path) -> None:
    """Nothing was uploaded, so nothing may be said of an upload."""
    done = run("check", tmp_path)

    assert done.returncode == 2
    assert f"the empty folder {tmp_path}" in done.stderr
    assert "upload" not in done.stderr
