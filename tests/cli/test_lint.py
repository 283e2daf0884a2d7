"""`oarlock lint` explains what is wrong with anybody's structure set."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from tests.cli.shell import run
from tests.phantoms import write_small_series


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small CT."""
    return write_small_series(tmp_path_factory.mktemp("ct"))[0].parent


@pytest.fixture(scope="module")
def rtstruct(ct: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its structure set."""
    output = tmp_path_factory.mktemp("out") / "rt.dcm"
    done = run("contour", ct, "--model", "commissioning", "--output", output)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture
def spoiled(rtstruct: Path, tmp_path: Path) -> Path:
    """The same with a contour of two points."""
    dataset = pydicom.dcmread(rtstruct)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = contour.ContourData[:6]
    contour.NumberOfContourPoints = 2
    dataset.save_as(tmp_path / "spoiled.dcm")
    return tmp_path / "spoiled.dcm"


def test_a_structure_set_of_our_own_leaves_with_0(rtstruct: Path, ct: Path) -> None:
    """Format and geometry; anything else would be a fault of the writer."""
    done = run("lint", rtstruct, "--ct", ct)

    assert (done.returncode, done.stderr) == (0, "")
    assert "error" not in done.stdout


def test_errors_come_first_with_clause_and_place_and_leave_with_2(spoiled: Path) -> None:
    """Whoever wrote the file must find the place, and the reason in the standard."""
    done = run("lint", spoiled)

    first, *rest = done.stdout.splitlines()
    assert done.returncode == 2
    assert "error" in first
    assert any("contour" in line and "PS3.3" in line for line in rest)


def test_a_program_gets_the_same_as_json_from_lint(spoiled: Path) -> None:
    """As POST /v1/lint answers it, and nothing else on standard output."""
    done = run("lint", spoiled, "--json")

    linted = json.loads(done.stdout)
    assert done.returncode == 2
    assert linted["counts"]["error"] >= 1
    assert linted["findings"][0]["severity"] == "error"


def test_a_file_that_is_not_dicom_leaves_with_2(tmp_path: Path) -> None:
    """Named, and told what to give instead."""
    (tmp_path / "notes.txt").write_text("not a structure set")

    done = run("lint", tmp_path / "notes.txt")

    assert done.returncode == 2
    assert "notes.txt is not a DICOM file: send an RTSTRUCT" in done.stderr


def test_places_that_are_only_counted_count_as_well(rtstruct: Path, tmp_path: Path) -> None:
    """A file with two hundred faults must not look as good as one with twenty."""
    dataset = pydicom.dcmread(rtstruct)
    contours = dataset.ROIContourSequence[0].ContourSequence
    while len(contours) < 30:
        contours.append(contours[0])
    for contour in contours:
        contour.NumberOfContourPoints = 2
    dataset.save_as(tmp_path / "many.dcm")

    shown = run("lint", tmp_path / "many.dcm")
    told = json.loads(run("lint", tmp_path / "many.dcm", "--json").stdout)

    assert shown.stdout.splitlines()[0] == f"{told['counts']['error']} errors"
    lines = [finding for finding in told["findings"] if finding["severity"] == "error"]
    places = [line["places"] for line in lines if line["rule"] == "point-count"]
    assert sum(places) == len(contours) > len(places)
    assert told["counts"]["error"] == sum(line["places"] for line in lines)


def test_a_ct_that_cannot_be_used_says_that_nothing_was_linted(
    rtstruct: Path, tmp_path: Path
) -> None:
    """Silence about the structure set would pass for a good one."""
    write_small_series(tmp_path / "ct")[9].unlink()

    done = run("lint", rtstruct, "--ct", tmp_path / "ct")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("missing-slice: ")
    assert "Nothing was linted" in done.stderr


def test_a_folder_without_ct_is_named_and_no_zip_is_asked_for(
    rtstruct: Path, tmp_path: Path
) -> None:
    """A zip in the folder would not be opened; and an empty folder is not taken for no CT."""
    (tmp_path / "ct").mkdir()
    empty = run("lint", rtstruct, "--ct", tmp_path / "ct")
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")

    done = run("lint", rtstruct, "--ct", tmp_path / "ct")

    assert (empty.returncode, done.returncode) == (2, 2)
    assert f"the empty folder {tmp_path / 'ct'}" in empty.stderr
    assert "notes.txt is not a DICOM file: send the slices of a CT series" in done.stderr
    assert "zip" not in done.stderr
