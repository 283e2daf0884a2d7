"""`oarlock overlaps` judges a bundle with each overlap of its windows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

pytest.importorskip("monai", reason="needs the training extra")

from tests.cli.shell import run
from tests.models.evaluation.made_evaluations import write_bone_bundle, write_made_data


def test_an_overlap_that_changes_nothing_is_told_to_be_as_good(tmp_path: Path) -> None:
    """A network that looks at one voxel at a time answers alike with any overlap."""
    data, bundle = write_made_data(tmp_path / "data"), write_bone_bundle(tmp_path / "bundle")
    before = (bundle / "card.yaml").read_bytes()

    done = run(
        *("overlaps", bundle, data, "--output", tmp_path / "out"),
        *("--overlap", "0.5", "--overlap", "0"),
    )

    assert done.returncode == 0, done.stderr
    assert "0 is the cheapest that is as good as 0.5; the card says 0." in done.stdout
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["overlap_curve.yaml", "overlaps.csv", "overlaps.png"]
    rows = [*csv.DictReader((tmp_path / "out" / "overlaps.csv").read_text().splitlines())]
    assert [(row["overlap"], row["is_allowed"]) for row in rows] == [
        ("0.5", "True"),
        ("0.0", "True"),
    ]
    assert rows[0]["mean_dice"] == rows[1]["mean_dice"]
    assert float(rows[0]["mean_dice"]) > 0.95
    assert (bundle / "card.yaml").read_bytes() == before
