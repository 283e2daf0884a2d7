"""One stage of the cascaded 3D FCN of Roth et al.: a 3D U-Net with batch normalisation.

Sources: Roth et al. 2018 (arXiv 1803.05431) and 2017 (arXiv 1704.06382), both on the 3D U-Net of
Cicek et al. (MICCAI 2016); the widths, the order of the layers and the initialisation are those of
the network definition that the authors published. Both stages have this architecture and are
trained one after the other: the first sees the whole scan, the second only the dilated foreground
of the first, which is the business of the cascade and of the training, not of the network.

What differs from the papers:

- The convolutions are padded here, so that the output is as large as the input. The papers' are
  not (132 x 132 x 116 voxels in, 44 x 44 x 28 out), and skip connections are cropped there.
- Their definition normalises by the statistics of the window at hand even when it predicts; here
  the running statistics are used, so that the answer does not depend on the window.
- The first convolution has no bias: the batch normalisation behind it would take it away again.

Measured with eight outputs, as published: 19.07 M parameters (Cicek et al. state 19 069 955 with
three outputs, this has 19 072 355) and 824.6 G multiply-adds at 96 cubed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

LEVEL_WIDTHS = (64, 128, 256, 512)  # channels that leave a level of the analysis path


def _convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width, 3, padding=1, bias=False), nn.BatchNorm3d(width), nn.ReLU()
    )


class SynthesisLevel(nn.Module):
    """Doubles the resolution, joins the skip connection and refines by two convolutions."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose3d(width_in, width_in, 2, stride=2, bias=False),
            nn.BatchNorm3d(width_in),
            nn.ReLU(),
        )
        self.refine = nn.Sequential(
            _convolution(width_in + width, width), _convolution(width, width)
        )

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        # (B, width_in, z, y, x) and (B, width, 2z, 2y, 2x) -> (B, width, 2z, 2y, 2x)
        refined: Tensor = self.refine(torch.cat((self.up(features), skip), dim=1))
        return refined


class CascadedFcn(nn.Module):
    """Logits of `classes` structures, background first, for either stage of the cascade.

    Input (B, 1, z, y, x), each axis a multiple of 2 ** (levels - 1), 8 as published; output
    (B, classes, z, y, x). `widths`: channels that leave each level on the way down; the first
    convolution of a level has half as many, so that channels double before each pooling.
    """

    def __init__(self, classes: int, widths: Sequence[int] = LEVEL_WIDTHS) -> None:
        super().__init__()
        entering = (1, *widths)
        self.analysis = nn.ModuleList(
            nn.Sequential(_convolution(before, width // 2), _convolution(width // 2, width))
            for before, width in pairwise(entering)
        )
        self.pool = nn.MaxPool3d(2)
        self.synthesis = nn.ModuleList(
            SynthesisLevel(below, width) for width, below in reversed(list(pairwise(widths)))
        )
        self.head = nn.Conv3d(widths[0], classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        skips: list[Tensor] = []  # (B, 64, z, y, x), (B, 128, z/2, ...), (B, 256, z/4, ...)
        features = self.analysis[0](image)
        for level in self.analysis[1:]:
            skips.append(features)
            features = level(self.pool(features))  # at last (B, 512, z/8, y/8, x/8)
        for level in self.synthesis:
            features = level(features, skips.pop())
        logits: Tensor = self.head(features)  # (B, classes, z, y, x)
        return logits
