"""Windows of real scans as a network sees them when it is served."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.cases import read_case
from models.training.dataset import ALL, CaseEntry, Dataset, read_dataset
from models.training.patches import PatchSampler
from models.training.prepared_cases import PreparedCase, prepare_case
from models.training.recipe_file import Recipe


def read_windows(
    recipe: Recipe, data: Path, split: str, count: int, window_zyx: tuple[int, int, int]
) -> list[Tensor]:
    """`count` windows (1, z, y, x) float32, evenly from the first `count` cases of `split`.

    Each lies around a labelled voxel, where there is one. All cases serve where `split` is empty.
    """
    dataset = read_dataset(data)
    entries = dataset.cases(split) or dataset.cases(ALL)
    sampler = PatchSampler(recipe, torch.device("cpu"))
    windows: list[Tensor] = []
    per_case = -(-count // min(count, len(entries)))
    for entry in islice(entries, count):
        patch = sampler.whole(_read(dataset, entry, recipe))
        places = torch.nonzero(patch.labels)
        places = places if len(places) else torch.tensor(patch.labels.shape)[None] // 2
        chosen = np.linspace(0, len(places) - 1, per_case + 2)[1:-1].astype(int)
        windows += [_around(patch.image, places[one].tolist(), window_zyx) for one in chosen]
    return windows[:count]


def _read(dataset: Dataset, entry: CaseEntry, recipe: Recipe) -> PreparedCase:
    case = read_case(dataset, entry, recipe.structure_names)
    return PreparedCase(**prepare_case(case, recipe, whole=True))


def _around(image: Tensor, centre: list[int], window_zyx: tuple[int, int, int]) -> Tensor:
    """The window of `image` (1, z, y, x) nearest to `centre`; air where the image is too small."""
    missing = [max(w - n, 0) for w, n in zip(window_zyx, image.shape[1:], strict=True)]
    if any(missing):
        padding = [side for short in reversed(missing) for side in (0, short)]
        image = functional.pad(image, padding, value=float(image.min()))
    starts = [
        min(max(middle - window // 2, 0), length - window)
        for middle, window, length in zip(centre, window_zyx, image.shape[1:], strict=True)
    ]
    z, y, x = (slice(s, s + w) for s, w in zip(starts, window_zyx, strict=True))
    return image[:, z, y, x].contiguous()
