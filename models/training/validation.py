"""Dice of a network on held-out cases while it is trained: a trend, and no result.

Results are measured on structure sets: `oarlock evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
from monai.inferers import SlidingWindowInferer
from monai.metrics import DiceHelper
from torch import Tensor, nn

from models.training.patches import PatchSampler
from models.training.prepared_cases import PreparedCase
from models.training.recipe_file import Recipe

LEAST_OVERLAP = 0.25
# Of an image (1, 1, z, y, x) and a network: logits (1, C, z, y, x).
Infer = Callable[[Tensor, nn.Module], Tensor]


def build_inferer(recipe: Recipe) -> Infer:
    """The recipe's windows over a case, blended by a Gaussian as when the model is served."""
    inferer = SlidingWindowInferer(
        roi_size=recipe.sliding_window,
        sw_batch_size=recipe.batch,
        overlap=[max(recipe.overlap, LEAST_OVERLAP) if w > 1 else 0 for w in recipe.sliding_window],
        mode="gaussian",
    )
    return cast("Infer", inferer)


@torch.no_grad()
def validation_dice(
    network: nn.Module, sampler: PatchSampler, cases: Iterable[PreparedCase]
) -> float:
    """Mean over structures of the mean Dice over the cases in which each was drawn."""
    network.eval()
    recipe = sampler.recipe
    infer = build_inferer(recipe)
    # Structure by structure: a whole abdomen, one-hot in fifteen classes, takes gigabytes.
    dice = DiceHelper(
        include_background=False, reduction="none", get_not_nans=False, num_classes=recipe.classes
    )
    scores: list[Tensor] = []
    for case in cases:
        patch = sampler.whole(case)
        with autocast(sampler.device, recipe.precision):
            logits = infer(patch.image[None], network)
        predicted = logits.argmax(dim=1) * patch.counts  # (1, z, y, x)
        scores.append(cast("Tensor", dice(predicted[:, None], patch.labels[None, None])))
    # A structure that was not drawn is nowhere in the truth: its Dice is not a number there.
    return float(torch.cat(scores).nanmean(dim=0).nanmean()) if scores else float("nan")


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A recipe's precision, for what is computed within."""
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)
