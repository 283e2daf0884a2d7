"""The sharp extraction backbone of MCFNet: a 2D U-Net whose encoder weighs its channels.

Public fact: five encoder levels from 64 channels, squeeze-and-excitation on the way down, nearest
upsampling. Our reading: the widths 64, 128, 256, 512, 512 and two 3x3 convolutions with batch
normalisation per level, as in the U-Net that UCTransNet (Wang et al., AAAI 2022) is measured
against, so that the four decoder scales have the widths of the other backbone's and fit the same
output heads; one squeeze-and-excitation (Hu et al., CVPR 2018, reduction 16, but eight hidden units
at least) behind each level.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.networks.scale_decoder import (
    CONVOLUTIONS_PER_LEVEL,
    PlainSkip,
    ScaleDecoder,
    build_convolutions,
)

EXCITATION_REDUCTION = 16  # Hu et al. 2018, section 6.1
# What is squeezed is never negative and much alike in all slices, so a unit may start silent in all
# of them; four units, a sixteenth of 64, would do so together in one network of sixteen.
LEAST_HIDDEN = 8


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what is in all of them (Hu et al. 2018, equations 2-4)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = max(LEAST_HIDDEN, width // EXCITATION_REDUCTION)
        self.squeeze = nn.Linear(width, hidden)
        self.excite = nn.Linear(hidden, width)

    def forward(self, features: Tensor) -> Tensor:
        pooled = features.mean(dim=(2, 3))  # (N, C, y, x) -> (N, C)
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(pooled))))
        return features * weights[:, :, None, None]


class SharpExtraction(nn.Module):
    """Features of five encoder levels and four decoder scales of a slice.

    Input (N, 1, y, x), y and x multiples of 16; the encoder's features come finest first, the
    decoder's coarsest first.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                build_convolutions(before, width, CONVOLUTIONS_PER_LEVEL), SqueezeExcitation(width)
            )
            for before, width in pairwise((1, *widths))
        )
        self.pool = nn.MaxPool2d(2)
        self.decoder = ScaleDecoder(widths, lambda _width: PlainSkip())

    def forward(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        encoded = [self.levels[0](image)]  # (N, 64, y, x)
        for level in self.levels[1:]:
            encoded.append(level(self.pool(encoded[-1])))  # .. (N, 512, y/16, x/16)
        return encoded, self.decoder(encoded[-1], encoded[:-1])
