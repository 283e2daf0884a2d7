"""Images and kernels lie channels last in memory, and so does all that is computed from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("monai", reason="needs the training extra")

import torch

from models.training.patches import Batch, Patch
from models.training.recipe_file import read_recipe
from models.training.runs import memory_layout, start_run


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """With one thread, PyTorch takes a way of its own through a kernel of one voxel, which answers
    channels first whatever it is given; other tests of this process may have left one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["3d-msf", "oarfocalfusenet", "lyu-segmenter"])
def test_an_answer_lies_as_the_recipe_says(name: str, tmp_path: Path) -> None:
    """An image of one channel and a kernel of one voxel lie both ways at once: PyTorch takes them
    for channels first, and every layer behind them, at a third more of time.
    """
    recipe = read_recipe(name)
    progress = start_run(recipe, tmp_path, torch.device("cpu"))
    shape = (32, 32, 32)
    patch = Patch(
        image=torch.rand(1, *shape),
        labels=torch.zeros(shape, dtype=torch.long),
        is_drawn=torch.ones(recipe.classes, dtype=torch.bool),
        counts=torch.ones(shape, dtype=torch.bool),
    )

    batch = Batch.of([patch, patch], memory_layout(recipe))
    answers = progress.loss.predict(progress.network, batch.image)

    for answer in answers if isinstance(answers, (list, tuple)) else [answers]:
        assert answer.stride(1) == 1
