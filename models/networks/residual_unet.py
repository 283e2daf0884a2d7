"""A compact residual 3D U-Net with batch normalisation, for windows of any size.

Batch normalisation, not instance normalisation: its statistics do not depend on the window, it
folds into the convolutions on export, and on a CPU it trains two to three times faster in bfloat16.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAKY_SLOPE = 0.01


class ConvolutionBlock(nn.Sequential):
    """One 3x3x3 convolution, batch normalisation, leaky ReLU: all the finest level can afford."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__(
            nn.Conv3d(width_in, width, 3, padding=1, bias=False),
            nn.BatchNorm3d(width),
            nn.LeakyReLU(LEAKY_SLOPE),
        )


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with batch normalisation and a pointwise shortcut."""

    def __init__(self, width_in: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv3d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm3d(width)
        self.second = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm3d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv3d(width_in, width, stride, stride=stride, bias=False),
                nn.BatchNorm3d(width),
            )

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.leaky_relu(self.first_norm(self.first(features)), LEAKY_SLOPE)
        hidden = self.second_norm(self.second(hidden)) + self.shortcut(features)
        return functional.leaky_relu(hidden, LEAKY_SLOPE)


class UpBlock(nn.Module):
    """Doubles the resolution, joins the skip connection and refines."""

    def __init__(self, width_in: int, width: int, refine: nn.Module) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(width_in, width, 2, stride=2)
        self.refine = refine

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat((self.up(features), skip), dim=1)
        refined: Tensor = self.refine(joined)
        return refined


class ResidualUNet(nn.Module):
    """Logits of `classes` structures, background first.

    Input (B, 1, z, y, x), each axis a multiple of 2 ** (levels - 1); output (B, classes, z, y, x).
    """

    def __init__(self, classes: int, widths: tuple[int, ...] = (16, 32, 64, 128, 192)) -> None:
        super().__init__()
        self.stem = ConvolutionBlock(1, widths[0])
        self.downs = nn.ModuleList(
            nn.Sequential(ResidualBlock(before, width, stride=2), ResidualBlock(width, width))
            for before, width in pairwise(widths)
        )
        blocks = (ConvolutionBlock, *(ResidualBlock for _ in widths[1:]))
        self.ups = nn.ModuleList(
            UpBlock(after, width, block(2 * width, width))
            for (width, after), block in reversed(list(zip(pairwise(widths), blocks, strict=False)))
        )
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        skips = [self.stem(image)]  # (B, 16, z, y, x)
        for down in self.downs:
            skips.append(down(skips[-1]))  # (B, 32, z/2, ...) .. (B, 192, z/16, ...)
        features = skips.pop()
        for up in self.ups:
            features = up(features, skips.pop())
        logits: Tensor = self.head(features)
        return logits
