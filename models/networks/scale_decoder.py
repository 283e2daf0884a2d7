"""From the coarsest features of a slice to features at four scales, as UCTransNet decodes them.

Source: the published code of Wang et al. (AAAI 2022): nearest upsampling, the skip connection
joined, two 3x3 convolutions with batch normalisation. Both backbones of MCFNet decode in this way,
which is why the same output heads fit both.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

CONVOLUTIONS_PER_LEVEL = 2


def build_convolutions(width_in: int, width: int, count: int) -> nn.Sequential:
    """`count` 3x3 convolutions, each with batch normalisation and ReLU; the grid stays."""
    layers: list[nn.Module] = []
    for entering in (width_in, *(width,) * (count - 1)):
        layers += [
            nn.Conv2d(entering, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def decoder_widths(widths: tuple[int, ...]) -> tuple[int, ...]:
    """Channels of the four decoder scales, coarsest first: (256, 128, 64, 64) of UCTransNet."""
    return (*widths[-3::-1], widths[0])


class ScaleDecoder(nn.Module):
    """From the coarsest features back to the full grid, with the features of each scale.

    `weigh` builds what treats a skip connection of the width given before it is joined:
    called with the upsampled features and the skip, it answers the skip.
    """

    def __init__(self, widths: tuple[int, ...], weigh: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        leaving = decoder_widths(widths)
        entering = (widths[-1], *leaving[:-1])
        self.weighings = nn.ModuleList(weigh(width) for width in entering)
        # The features from below are as wide as the skip that they meet.
        self.refinements = nn.ModuleList(
            build_convolutions(2 * before, width, CONVOLUTIONS_PER_LEVEL)
            for before, width in zip(entering, leaving, strict=True)
        )

    def forward(self, features: Tensor, skips: list[Tensor]) -> list[Tensor]:
        # At 1/8, 1/4, 1/2 and 1 of the grid: (N, 256 | 128 | 64 | 64, y, x).
        scales: list[Tensor] = []
        for weigh, refine in zip(self.weighings, self.refinements, strict=True):
            above = self.upsample(features)
            skip = weigh(above, skips[-1 - len(scales)])
            features = refine(torch.cat((skip, above), dim=1))
            scales.append(features)
        return scales


class PlainSkip(nn.Module):
    """A skip connection that is passed on as it is."""

    def forward(self, _above: Tensor, skip: Tensor) -> Tensor:
        return skip
