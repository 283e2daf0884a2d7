"""`oarlock export` makes a bundle of runs as a shell would ask it to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="needs the training extra")

from tests.cli.shell import run
from tests.models.export.made_runs import SYSTEM, write_run


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A system's own file."""
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(SYSTEM))
    return path


def test_a_run_becomes_a_bundle_that_says_how_it_was_made(system: Path, tmp_path: Path) -> None:
    """What the terminal tells of the comparison stands in the card, too."""
    (tmp_path / "told.txt").write_text("Mean Dice 0.5 on one case.\n")

    done = run(
        *("export", "--system", system, "--segmenter", write_run(tmp_path / "run")),
        *("--output", tmp_path / "bundle", "--version", "2.0.0"),
        *("--evaluation", tmp_path / "told.txt"),
    )

    assert done.returncode == 0, done.stderr
    assert "largest difference of a logit" in done.stdout
    card = yaml.safe_load((tmp_path / "bundle" / "card.yaml").read_text())
    assert (card["version"], card["evaluation"]) == ("2.0.0", "Mean Dice 0.5 on one case.")
    assert card["segmenter"]["export"]["operator_set"] == 20


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--system", "lyo"], "there is no system 'lyo'"),
        (["--precision", "float16"], "give cases to judge on"),
        (["--engines", "engines"], "The runtime tensorrt is not installed"),
        (["--output", "full"], "is not empty"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_its_reason(
    options: list[str], reason: str, system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "card.yaml").write_text("format: 1\n")
    (tmp_path / "run").mkdir()

    done = run("export", "--system", system, "--segmenter", "run", "--output", "bundle", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert reason in done.stderr
    assert not (tmp_path / "bundle").exists()
