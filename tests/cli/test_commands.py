"""The `oarlock` command as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from tests.cli.shell import run
from tests.phantoms import write_small_series


def test_contour_writes_all_that_was_asked_for(tmp_path: Path) -> None:
    """Others script it, so each file must be there and exit code 0 mean done."""
    write_small_series(tmp_path / "ct")
    output, report, preview = (tmp_path / "out" / name for name in ("rt.dcm", "r.json", "p.png"))

    done = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--output", output),
        *("--report", report, "--preview", preview),
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert pydicom.dcmread(output).Modality == "RTSTRUCT"
    assert preview.read_bytes().startswith(b"\x89PNG")
    told = json.loads(report.read_text())
    assert told["model"]["name"] == "commissioning"
    (generic,) = told["outputs"]
    drawn = [row["name"] for row in generic["structures"] if row["status"] == "contoured"]
    assert drawn == ["Sphere30"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "p.png",
        "r.json",
        "rt.dcm",
    ]


def test_contour_writes_a_file_for_each_template(tmp_path: Path) -> None:
    """One run for a department with two planning systems; the output is then a folder."""
    write_small_series(tmp_path / "ct")

    done = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--output", tmp_path / "out"),
        *("--template", "eclipse", "--template", "monaco"),
    )

    assert done.returncode == 0, done.stderr
    written = sorted(path.name for path in (tmp_path / "out").glob("*.rtstruct.dcm"))
    assert written == ["eclipse.rtstruct.dcm", "monaco.rtstruct.dcm"]


def test_contour_names_the_templates_there_are(tmp_path: Path) -> None:
    """Before minutes of work, not after."""
    write_small_series(tmp_path / "ct")

    refused = run(
        *("contour", tmp_path / "ct", "--template", "none", "--output", tmp_path / "rt.dcm")
    )

    assert refused.returncode == 2
    assert "generic" in refused.stderr


def test_contour_refuses_unusable_input_with_the_reason(tmp_path: Path) -> None:
    """Exit code 2, the reason on stderr, and no output."""
    files = write_small_series(tmp_path / "ct")
    files[9].unlink()

    refused = run(
        *("contour", tmp_path / "ct", "--model", "commissioning"),
        *("--output", tmp_path / "rt.dcm"),
    )

    assert refused.returncode == 2
    assert refused.stderr.startswith("missing-slice: A slice is missing")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "rt.dcm").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--output", "folder"), "folder is a folder"),
        (("--output", "file", "--template", "eclipse", "--template", "monaco"), "file is a file"),
        (("--output", "rt.dcm", "--preview", "folder"), "folder is a folder"),
    ],
)
def test_contour_looks_at_the_place_of_its_output_before_it_works(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    """A series takes minutes; the empty CT folder shows that it was not even looked for."""
    for folder in ("ct", "folder"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").touch()
    known = {"folder", "file", "rt.dcm"}
    placed = [str(tmp_path / word) if word in known else word for word in arguments]

    refused = run("contour", tmp_path / "ct", "--model", "commissioning", *placed)

    assert refused.returncode == 2
    assert reason in refused.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("format: 1\nname: own\nstructures: 7\n", "own.yaml cannot be used"),
        (
            "format: 1\nname: own\nderived: [{name: Cord_PRV, colour: [4, 5, 6], "
            "expand: {of: NoSuchCord, margin_mm: 5}}]\n",
            "Cord_PRV cannot be made",
        ),
    ],
)
def test_a_template_of_ones_own_that_is_wrong_leaves_with_2(
    tmp_path: Path, content: str, reason: str
) -> None:
    """Whoever wrote it can mend it: nothing of Oarlock has failed."""
    write_small_series(tmp_path / "ct")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.yaml").write_text(content)

    refused = run(
        *("contour", tmp_path / "ct", "--model", "commissioning", "--template", "own"),
        *("--output", tmp_path / "rt.dcm"),
        OARLOCK_TEMPLATES=str(tmp_path / "templates"),
    )

    assert refused.returncode == 2, refused.stderr
    assert reason in refused.stderr
    assert not (tmp_path / "rt.dcm").exists()


def test_contour_names_the_models_there_are(tmp_path: Path) -> None:
    """A misspelt name is the caller's to mend."""
    write_small_series(tmp_path / "ct")

    refused = run("contour", tmp_path / "ct", "--model", "none", "--output", tmp_path / "rt.dcm")

    assert refused.returncode == 2
    assert "commissioning" in refused.stderr


def test_a_broken_model_is_a_failure_not_the_callers_fault(tmp_path: Path) -> None:
    """Exit code 1, and the folder named."""
    (tmp_path / "models" / "broken").mkdir(parents=True)
    (tmp_path / "models" / "broken" / "card.yaml").write_text("name: broken")

    failed = run("models", OARLOCK_MODELS=str(tmp_path / "models"))

    assert failed.returncode == 1
    assert "broken" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_models_lists_the_released_ones() -> None:
    """With their checksums, which jobs record."""
    listed = run("models", COLUMNS="200")

    assert listed.returncode == 0
    assert "commissioning" in listed.stdout


def test_templates_lists_the_shipped_ones() -> None:
    """With what each is for, and which one runs unasked."""
    listed = run("templates", COLUMNS="200")

    assert listed.returncode == 0
    assert "generic (default)" in listed.stdout
    assert "eclipse" in listed.stdout


def test_phantom_writes_the_position_that_was_asked_for(tmp_path: Path) -> None:
    """A department checks each position that it treats in."""
    done = run("phantom", tmp_path, "--position", "FFP")

    assert done.returncode == 0
    positions = {pydicom.dcmread(file).PatientPosition for file in tmp_path.iterdir()}
    assert positions == {"FFP"}


def test_phantom_leaves_a_folder_of_other_files_alone(tmp_path: Path) -> None:
    """It may be a patient's; a phantom is replaced by a phantom, and --force is told to."""
    run("phantom", tmp_path)
    again = run("phantom", tmp_path, "--position", "FFS")
    (tmp_path / "CT0101.dcm").write_bytes(b"a patient's")

    refused = run("phantom", tmp_path)
    forced = run("phantom", tmp_path, "--force")

    assert (again.returncode, refused.returncode, forced.returncode) == (0, 2, 0)
    assert "--force" in refused.stderr
    assert (tmp_path / "CT0101.dcm").read_bytes() == b"a patient's"


def test_a_folder_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    """One line that names it."""
    (tmp_path / "file").touch()

    failed = run("phantom", tmp_path / "file" / "ct")

    assert failed.returncode == 1
    assert str(tmp_path / "file") in failed.stderr
    assert "Traceback" not in failed.stderr
