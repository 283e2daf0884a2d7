"""The phase 1 localizer of Lyu et al. (FLARE23): partial convolutions, a pointwise decoder.

Source: section 2.2 of "Advancing Multi-Organ and Pan-Cancer Segmentation in Abdominal CT Scans
through Scale-Aware and Self-Attentive Modulation".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGE_WIDTHS = (32, 64, 128, 256)
BLOCKS_PER_STAGE = 2
STEM_STRIDE = 4
CONVOLVED_FRACTION = 4  # the first quarter of the channels is convolved, the rest passes through
EXPANSION = 2


class PartialConvolution(nn.Module):
    """A 3x3x3 convolution over the first quarter of the channels; (B, C, z, y, x) in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolved = width // CONVOLVED_FRACTION
        self.convolution = nn.Conv3d(self.convolved, self.convolved, 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        convolved = self.convolution(features[:, : self.convolved])
        return torch.cat((convolved, features[:, self.convolved :]), dim=1)


class InvertedBottleneck(nn.Module):
    """Partial convolution, two pointwise layers (expansion 2) and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = PartialConvolution(width)
        self.expand = nn.Conv3d(width, EXPANSION * width, 1, bias=False)
        self.norm = nn.InstanceNorm3d(EXPANSION * width, affine=True)
        self.project = nn.Conv3d(EXPANSION * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.relu(self.norm(self.expand(self.mix(features))))
        return features + self.project(hidden)


def _reduction(width_in: int, width_out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width_out, stride, stride=stride),
        nn.InstanceNorm3d(width_out, affine=True),
    )


class PConvLocalizer(nn.Module):
    """Binary logits of a whole scan.

    Input (B, 1, z, y, x), each axis a multiple of 32 (the paper: 128 cubed); output (B, classes,
    z, y, x). The decoder is the pointwise one of SegFormer, without an activation inside.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        widths_in = (1, *STAGE_WIDTHS[:-1])
        strides = (STEM_STRIDE, 2, 2, 2)
        self.reductions = nn.ModuleList(
            _reduction(before, width, stride)
            for before, width, stride in zip(widths_in, STAGE_WIDTHS, strides, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(InvertedBottleneck(width) for _ in range(BLOCKS_PER_STAGE)))
            for width in STAGE_WIDTHS
        )
        self.compressions = nn.ModuleList(
            nn.Conv3d(width, STAGE_WIDTHS[0], 1) for width in STAGE_WIDTHS
        )
        self.fuse = nn.Conv3d(STAGE_WIDTHS[0] * len(STAGE_WIDTHS), classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        features, levels = image, []
        for reduction, stage in zip(self.reductions, self.stages, strict=True):
            features = stage(reduction(features))  # (B, 32..256, z/4..z/32, ...)
            levels.append(features)
        size = levels[0].shape[2:]
        compressed = [
            functional.interpolate(compression(level), size=size, mode="nearest")
            for compression, level in zip(self.compressions, levels, strict=True)
        ]
        fused = self.fuse(torch.cat(compressed, dim=1))  # (B, classes, z/4, y/4, x/4)
        return functional.interpolate(
            fused, scale_factor=float(STEM_STRIDE), mode="trilinear", align_corners=False
        )
