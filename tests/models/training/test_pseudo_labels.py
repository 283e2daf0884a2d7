"""Self-training: what was drawn stays, what was not is voted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn  # noqa: E402 - torch may be missing outside CI

from models.training.cases import read_cases  # noqa: E402
from models.training.curves import CurveRow  # noqa: E402
from models.training.patches import PatchSampler  # noqa: E402
from models.training.pseudo_labels import completed_labels, self_train  # noqa: E402
from models.training.recipe_file import RecipeError  # noqa: E402
from models.training.train import Report, Sources  # noqa: E402
from tests.models.phantom_cases import write_phantom_dataset  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe  # noqa: E402

BRAINSTEM, RIGHT, LEFT = 1, 2, 3
CPU = torch.device("cpu")


class Voter(nn.Module):
    """Says one label everywhere, with one strength."""

    def __init__(self, label: int, strength: float) -> None:
        super().__init__()
        self.label, self.strength = label, strength

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(image), 4, *image.shape[2:])
        logits[:, self.label] = self.strength
        return logits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of the first case only the brainstem was drawn, of the second nothing."""
    folder = write_phantom_dataset(
        tmp_path / "data",
        ("one", "two", "three", "four"),
        STRUCTURES,
        (16, 24, 24),
        drawn={"one": ["Brainstem"]},
    )
    (folder / "labelsTr" / "two.nii.gz").unlink()
    return folder


def test_votes_are_soft_and_what_was_drawn_stays(data: Path) -> None:
    """One sure voter outweighs an unsure one; neither outweighs the physician."""
    case = read_cases(data, "train")[0]
    sampler = PatchSampler(phantom_recipe(patch=[8, 16, 16]), CPU)

    labels = completed_labels(case, [Voter(RIGHT, 0.5), Voter(LEFT, 5.0)], sampler)

    assert np.array_equal(labels == BRAINSTEM, case.labels == BRAINSTEM)
    assert set(np.unique(labels)) == {BRAINSTEM, LEFT}


def test_a_structure_that_was_drawn_is_not_voted_on(data: Path) -> None:
    """Where the physician drew it, it ends where the drawing does."""
    case = read_cases(data, "train")[0]
    sampler = PatchSampler(phantom_recipe(patch=[8, 16, 16]), CPU)

    labels = completed_labels(case, [Voter(BRAINSTEM, 5.0)], sampler)

    assert np.array_equal(labels, case.labels)


def test_rounds_complete_the_cases_and_spare_those_held_out(data: Path, tmp_path: Path) -> None:
    """Two folds a round, then one network on everything; called again, nothing is done twice."""
    recipe = phantom_recipe(
        network={"name": "residual-unet", "arguments": {"widths": [4, 6]}},
        patch=[8, 16, 16],
        steps=1,
    )
    trained: list[str] = []

    def announce(title: str) -> Report:
        return lambda told: trained.append(title) if isinstance(told, CurveRow) else None

    facts = self_train(recipe, Sources(data), tmp_path / "run", "cpu", 1, announce)
    self_train(recipe, Sources(data), tmp_path / "run", "cpu", 1, announce)

    completed = tmp_path / "run" / "round-1" / "data"
    assert trained == ["round 1 of 1, fold a", "round 1 of 1, fold b", "all cases"]
    assert facts.case_names == ("one", "two", "three")
    assert all(case.is_drawn.all() for case in read_cases(completed, "train"))
    held_out, truth = (read_cases(folder, "val")[0] for folder in (completed, data))
    assert np.array_equal(held_out.labels, truth.labels)
    assert np.array_equal(held_out.hu, truth.hu)


def test_a_binary_recipe_has_no_pseudo_labels(data: Path, tmp_path: Path) -> None:
    """A localizer's answer names no structure."""
    recipe = phantom_recipe(stage="localizer", binary=True, loss={"kind": "region"})
    sources = Sources(data)

    with pytest.raises(RecipeError, match="answers name no structures"):
        self_train(recipe, sources, tmp_path / "run", "cpu", 1, lambda title: lambda row: None)
