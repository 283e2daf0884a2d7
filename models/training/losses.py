"""Losses that respect missing labels.

Where a structure was not drawn it is part of what is labelled background, so background and all
undrawn structures form one class there (the marginal loss of Shi et al., Medical Image Analysis 70,
2021). Dice runs over drawn structures only.
"""

from __future__ import annotations

import torch
from torch import Tensor

DICE_SMOOTH = 1.0
NEGATIVE_INFINITY = -1e9


def marginal_cross_entropy(
    logits: Tensor, labels: Tensor, is_drawn: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Mean over voxels; logits (B, C, z, y, x), labels (B, z, y, x), is_drawn (B, C).

    `weights` (C,): how much a voxel of each label counts.
    """
    merged = ~is_drawn
    merged[:, 0] = True
    outside = torch.where(merged[:, :, None, None, None], 0.0, NEGATIVE_INFINITY)
    background = torch.logsumexp(logits + outside, dim=1)  # (B, z, y, x)
    chosen = torch.gather(logits, 1, labels[:, None])[:, 0]
    chosen = torch.where(labels == 0, background, chosen)
    entropy = torch.logsumexp(logits, dim=1) - chosen
    return entropy.mean() if weights is None else (entropy * weights[labels]).mean()


def drawn_dice_loss(logits: Tensor, labels: Tensor, is_drawn: Tensor) -> Tensor:
    """1 - mean soft Dice of the structures drawn in the batch; shapes as above."""
    probabilities = torch.softmax(logits, dim=1)
    losses = []
    for label in range(1, logits.shape[1]):
        drawn = is_drawn[:, label]
        if drawn.any():
            predicted = probabilities[drawn, label]
            truth = (labels[drawn] == label).float()
            overlap = 2 * (predicted * truth).sum() + DICE_SMOOTH
            losses.append(1 - overlap / (predicted.sum() + truth.sum() + DICE_SMOOTH))
    return torch.stack(losses).mean()


def localizer_loss(
    logits: Tensor, labels: Tensor, is_drawn: Tensor, growth: int, reach: int
) -> Tensor:
    """Binary cross-entropy plus Dice on the structures, grown by `growth` voxels.

    Grown, because a cord of two voxels is lost behind a stem of stride four. Where a structure is
    missing, background within `reach` voxels of the others may be that structure: it does not
    count. Logits (B, 2, z, y, x); labels (B, z, y, x), any structure > 0.
    """
    foreground = _dilated(labels > 0, growth)
    counts = foreground | is_drawn.all(dim=1)[:, None, None, None] | ~_dilated(foreground, reach)
    margin = (logits[:, 1] - logits[:, 0]).float()
    truth = foreground.float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(margin, truth, reduction="none")
    probability = torch.sigmoid(margin) * counts
    overlap = 2 * (probability * truth).sum() + DICE_SMOOTH
    dice = overlap / (probability.sum() + truth.sum() + DICE_SMOOTH)
    return (entropy * counts).sum() / counts.sum() + 1 - dice


def _dilated(mask: Tensor, reach: int) -> Tensor:
    grown = mask[:, None].float()
    for axis in range(3):
        kernel, padding = [1, 1, 1], [0, 0, 0]
        kernel[axis], padding[axis] = 2 * reach + 1, reach
        grown = torch.nn.functional.max_pool3d(grown, kernel, stride=1, padding=padding)
    return grown[:, 0] > 0
