"""Losses that respect missing labels.

Where a structure was not drawn it is part of what is labelled background, so background and all
undrawn structures form one class there (the marginal loss of Shi et al., Medical Image Analysis 70,
2021). Dice runs over drawn structures only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn import functional

from models.training.aggregation import ScaleAggregation
from models.training.patches import Batch
from models.training.recipe_file import Recipe

DICE_SMOOTH = 1.0
NEGATIVE_INFINITY = -1e9
_DICE = DiceLoss(
    include_background=False,
    batch=True,  # one Dice per structure over the whole batch
    reduction="none",
    smooth_nr=DICE_SMOOTH,
    smooth_dr=DICE_SMOOTH,
)


def marginal_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    is_drawn: Tensor,
    weights: Tensor | None = None,
    counts: Tensor | None = None,
) -> Tensor:
    """Mean over voxels; logits (B, C, z, y, x), labels (B, z, y, x), is_drawn (B, C).

    `weights` (C,): how much a voxel of each label counts; `counts` (B, z, y, x) bool: which voxels
    do at all.
    """
    merged = ~is_drawn
    merged[:, 0] = True
    outside = torch.where(merged[:, :, None, None, None], 0.0, NEGATIVE_INFINITY)
    background = torch.logsumexp(logits + outside, dim=1)  # (B, z, y, x)
    chosen = torch.gather(logits, 1, labels[:, None])[:, 0]
    chosen = torch.where(labels == 0, background, chosen)
    entropy = torch.logsumexp(logits, dim=1) - chosen
    if weights is not None:
        entropy = entropy * weights[labels]
    if counts is None:
        return entropy.mean()
    return (entropy * counts).sum() / counts.sum().clamp(min=1)


def drawn_dice_loss(
    logits: Tensor, labels: Tensor, is_drawn: Tensor, counts: Tensor | None = None
) -> Tensor:
    """1 - mean soft Dice of the structures drawn in the batch; shapes as above."""
    kept = is_drawn[:, :, None, None, None]
    if counts is not None:
        kept = kept & counts[:, None]
    truth = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1)
    losses = _DICE(torch.softmax(logits, dim=1) * kept, truth * kept).flatten()  # (C - 1,)
    drawn = is_drawn[:, 1:].any(dim=0)
    return (losses * drawn).sum() / drawn.sum().clamp(min=1)


def region_loss(
    logits: Tensor, labels: Tensor, is_drawn: Tensor, growth: int, reach: int
) -> Tensor:
    """Binary cross-entropy plus Dice on the structures, grown by `growth` voxels.

    Where a structure is missing, background within `reach` voxels of the others may be that
    structure: it does not count. Logits (B, 2, z, y, x); labels (B, z, y, x), any structure > 0.
    """
    foreground = _dilated(labels > 0, growth)
    complete = is_drawn.all(dim=1)[:, None, None, None]
    counts = foreground | complete | ~_dilated(foreground, reach)
    margin = logits[:, 1] - logits[:, 0]
    truth = foreground.float()
    entropy = functional.binary_cross_entropy_with_logits(margin, truth, reduction="none")
    probability = torch.sigmoid(margin) * counts
    overlap = 2 * (probability * truth).sum() + DICE_SMOOTH
    dice = overlap / (probability.sum() + truth.sum() + DICE_SMOOTH)
    return (entropy * counts).sum() / counts.sum() + 1 - dice


class RecipeLoss(nn.Module):
    """A recipe's loss; what it learns itself is to be trained and kept with the network."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.choice = recipe.loss
        self.scales = ScaleAggregation() if recipe.loss.kind == "aggregation" else None
        weights = [1.0, *(recipe.loss.voxel_weights.get(s, 1.0) for s in recipe.structure_names)]
        self.voxel_weights: Tensor
        self.register_buffer("voxel_weights", torch.tensor(weights), persistent=False)

    def predict(self, network: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        """The network's answers that the loss is made of: one, or one per scale."""
        if self.scales is None:
            return (network(image),)
        answers: tuple[Tensor, ...] = network.predict_scales(image)  # type: ignore[operator]
        return answers

    def forward(self, answers: tuple[Tensor, ...], batch: Batch) -> Tensor:
        """A scalar, of logits of any precision."""
        loss = self._loss(batch)
        if self.scales is None:
            return loss(answers[0].float())
        return self.scales(answers, loss)  # type: ignore[no-any-return]

    def _loss(self, batch: Batch) -> Callable[[Tensor], Tensor]:
        labels, is_drawn, choice = batch.labels, batch.is_drawn, self.choice

        def region(logits: Tensor) -> Tensor:
            return region_loss(logits, labels, is_drawn, choice.growth_voxels, choice.reach_voxels)

        def dice_and_cross_entropy(logits: Tensor) -> Tensor:
            weights = self.voxel_weights if choice.voxel_weights else None
            entropy = marginal_cross_entropy(logits, labels, is_drawn, weights, batch.counts)
            return entropy + drawn_dice_loss(logits, labels, is_drawn, batch.counts)

        return region if choice.kind == "region" else dice_and_cross_entropy


def _dilated(mask: Tensor, reach: int) -> Tensor:
    grown = mask[:, None].float()
    for axis in range(3):
        kernel, padding = [1, 1, 1], [0, 0, 0]
        kernel[axis], padding[axis] = 2 * reach + 1, reach
        grown = functional.max_pool3d(grown, kernel, stride=1, padding=padding)
    return grown[:, 0] > 0
