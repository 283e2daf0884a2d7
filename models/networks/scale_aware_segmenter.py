"""The phase 2 segmenter of Lyu et al. (FLARE23): modulation first, attention deeper down.

Source: section 2.2 of "Advancing Multi-Organ and Pan-Cancer Segmentation in Abdominal CT Scans
through Scale-Aware and Self-Attentive Modulation"; the decoder is a lighter one of UNETR
(Hatamizadeh et al., WACV 2022). Where the text and its authors' code differ, this follows the
code, whose parameters are those of table 2:

- 3x3x3 convolutions halve the grid between stages, with overlap; the text has 2x2x2.
- GELU, not ReLU, follows the instance normalisation of equation 1.
- After the values are weighed there is one more pointwise layer.
- No normalisation over space has a scale and an offset.

Left out are only biases that a normalisation or a softmax behind them takes away (5640 values),
and the decoder level at full size that the authors' code holds and never calls.

Measured with 15 outputs at 96 cubed: 35 838 885 parameters (table 2: 35.84 M) and 141.2 G
multiply-adds, of which 4.4 G are the products of queries, keys and values that counters of
layers do not see. Table 2 states 374.77 G; neither these nor twice as many floating point
operations (282 G) are that. What was counted there is not said.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.metaformer_block import (
    BLOCK_NORM_EPSILON,
    ChannelNorm,
    MetaformerBlock,
    ScaleAwareModulator,
    SelfAttention,
)

STAGE_WIDTHS = (60, 120, 240, 480)  # each divisible by the three kernel sizes and by the heads
BLOCKS_PER_STAGE = (2, 4, 6, 2)
THIRD_STAGE_HEADS = 8
FOURTH_STAGE_HEADS = 16
LEAKY_SLOPE = 0.01


def _stem(width: int) -> nn.Sequential:
    """Halves the grid: (B, 1, z, y, x) -> (B, width, z/2, y/2, x/2)."""
    return nn.Sequential(
        nn.Conv3d(1, width // 2, 3, stride=2, padding=1, bias=False),
        nn.InstanceNorm3d(width // 2),
        nn.ReLU(),
        nn.Conv3d(width // 2, width, 3, padding=1),
        ChannelNorm(width),
    )


def _reduction(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(width_in, width, 3, stride=2, padding=1), ChannelNorm(width))


def _mixer(width: int, stage: int, block: int) -> nn.Module:
    """Modulation in the first two stages, both in turn in the third, attention in the fourth."""
    if stage < 2 or (stage == 2 and block % 2 == 0):
        return ScaleAwareModulator(width)
    return SelfAttention(width, THIRD_STAGE_HEADS if stage == 2 else FOURTH_STAGE_HEADS)


def _stage(width: int, blocks: int, stage: int) -> nn.Sequential:
    return nn.Sequential(
        *(MetaformerBlock(width, _mixer(width, stage, block)) for block in range(blocks)),
        ChannelNorm(width, eps=BLOCK_NORM_EPSILON),
    )


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with instance normalisation and a shortcut (UNETR)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(width_in, width, 3, padding=1, bias=False)
        self.second = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.norm = nn.InstanceNorm3d(width)
        self.shortcut: nn.Module = nn.Identity()
        if width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv3d(width_in, width, 1, bias=False), nn.InstanceNorm3d(width)
            )

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.leaky_relu(self.norm(self.first(features)), LEAKY_SLOPE)
        hidden = self.norm(self.second(hidden)) + self.shortcut(features)
        return functional.leaky_relu(hidden, LEAKY_SLOPE)


class UpBlock(nn.Module):
    """Doubles the resolution, joins the skip connection and refines."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(width_in, width, 2, stride=2, bias=False)
        self.refine = ResidualBlock(2 * width, width)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        refined: Tensor = self.refine(torch.cat((self.up(features), skip), dim=1))
        return refined


class ScaleAwareSegmenter(nn.Module):
    """Logits of `classes` structures, background first.

    Input (B, 1, z, y, x), each axis a multiple of 16 and one of them at least 32 (the paper: 96
    cubed); output (B, classes, z, y, x). `widths` and `blocks` are those of the four stages.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = STAGE_WIDTHS,
        blocks: Sequence[int] = BLOCKS_PER_STAGE,
    ) -> None:
        super().__init__()
        self.reductions = nn.ModuleList(
            (_stem(widths[0]), *(_reduction(before, width) for before, width in pairwise(widths)))
        )
        self.stages = nn.ModuleList(
            _stage(width, count, stage)
            for stage, (width, count) in enumerate(zip(widths, blocks, strict=True))
        )
        self.skips = nn.ModuleList(ResidualBlock(width, width) for width in widths)
        self.ups = nn.ModuleList(
            UpBlock(below, width) for width, below in reversed(list(pairwise(widths)))
        )
        self.last_up = nn.ConvTranspose3d(widths[0], widths[0] // 2, 2, stride=2)
        self.head = nn.Conv3d(widths[0] // 2, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        features, levels = image, []
        for reduction, stage, skip in zip(self.reductions, self.stages, self.skips, strict=True):
            features = stage(reduction(features))  # (B, 60, z/2, ...) .. (B, 480, z/16, ...)
            levels.append(skip(features))
        features = levels.pop()
        for up in self.ups:
            features = up(features, levels.pop())  # (B, 240, z/8, ...) .. (B, 60, z/2, ...)
        logits: Tensor = self.head(self.last_up(features))  # (B, classes, z, y, x)
        return logits
