"""`oarlock evaluate` judges a bundle as a shell would ask it to."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("monai", reason="needs the training extra")

from tests.cli.shell import run
from tests.models.evaluation.made_evaluations import write_bone_bundle, write_made_data

FILES = ["boxes.png", "cases.csv", "evaluation.json", "scans.csv", "summary.csv"]


def test_a_bundle_s_folder_is_judged_on_a_data_set(tmp_path: Path) -> None:
    """Tables on the terminal and as files, the picture, and what tables are built from.

    A case that nobody drew on is named, and the rest is judged.
    """
    data = write_made_data(tmp_path / "data")
    shutil.copy(data / "imagesTr" / "a_0000.nii.gz", data / "imagesTr" / "blank_0000.nii.gz")

    done = run(
        *("evaluate", write_bone_bundle(tmp_path / "bundle"), data, "--output", tmp_path / "out"),
        *("--split", "all", "--cases", "1", "--mean-of", "Bone"),
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == "Warning: blank is left out: it has no labels.\n"
    assert "mean of 1" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert (tmp_path / "out" / "boxes.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [case["name"] for case in told["cases"]] == ["a"]
    (row,) = csv.DictReader((tmp_path / "out" / "cases.csv").read_text().splitlines())
    assert float(row["dice"]) > 0.95


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["hn-oar", "--mean-of", "Liver"], "no structure Liver"),
        (["hn-oar", "--rename", "Liver"], "THEIRS=MODELS"),
    ],
)
def test_what_cannot_be_done_is_said_before_it_is_tried(
    tmp_path: Path, arguments: list[str], reason: str
) -> None:
    """Exit code 2, a line that says what to mend, and nothing written."""
    bundle, *options = arguments
    (tmp_path / "data").mkdir()

    refused = run("evaluate", bundle, tmp_path / "data", "--output", tmp_path / "out", *options)

    assert refused.returncode == 2
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "out").exists()
