"""`oarlock train`, from a data set to a run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from models.training.recipe_file import write_recipe
from models.training.runs import load_network
from tests.cli.shell import run
from tests.models.phantom_cases import write_phantom_dataset
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe

SHAPE = (16, 24, 24)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A small one, as a file."""
    small = phantom_recipe(
        network={"name": "residual-unet", "arguments": {"widths": [4, 6]}},
        patch=[8, 16, 16],
        steps=50,
    )
    write_recipe(small, tmp_path / "small.yaml")
    return tmp_path / "small.yaml"


def test_a_recipe_is_trained_into_a_run(tmp_path: Path, recipe: Path) -> None:
    """One command; what is given on it wins over the recipe."""
    data = write_phantom_dataset(tmp_path / "data", ("one", "two"), STRUCTURES, SHAPE)

    done = run(
        "train", recipe, "--data", data, "--run", tmp_path / "run", "--steps", 2, "--seed", 3
    )

    assert done.returncode == 0, done.stderr
    assert "2 steps on 1 cases" in done.stdout
    assert "preparing 1 cases" in done.stderr
    assert "step 2 of 2, loss" in done.stderr
    kept, _ = load_network(tmp_path / "run")
    assert (kept.steps, kept.seed) == (2, 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [("no-such", "There is no recipe 'no-such'"), ("unet", "dataset.json is missing")],
)
def test_what_cannot_be_trained_leaves_with_2(tmp_path: Path, name: str, said: str) -> None:
    """With one line that says what to mend."""
    done = run("train", name, "--data", tmp_path, "--run", tmp_path / "run")

    assert done.returncode == 2
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr
