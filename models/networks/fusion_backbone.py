"""What OARFocalFuseNet and 3D-MSF share: encoder, decoder, and the exchange between resolutions.

Source: "An Efficient Multi-Scale Fusion Network for 3D Organ at Risk (OAR) Segmentation"
(Srivastava et al., arXiv 2208.07417), sections II-A1 to II-A3. Where the paper is open, this is
read:

- The feature maps I1..I5 are taken before their block's pooling, so I1 keeps the full resolution
  and I5, the bottleneck, has a sixteenth of it; pooling is by maximum. Equation 6 then runs from
  coarse to fine: D5 is I5, D4 upscales it by a factor of 2 and joins Y4, and so on to D1, which
  the head reads ("Dx-1" in the paper counts blocks, and there it would be D4 that the head reads).
- Equation 6 has instance normalisation and ReLU; the encoder, where none is named, has the same.
- Equation 2's links between scales have weights of their own, each for one source, one target and
  one layer. "Bicubic interpolation" is trilinear: neither PyTorch nor ONNX has it for volumes. The
  "pooling operation" on the way down is an average.

Instance normalisation makes the answer depend on the window, so train and predict with one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSED_SCALES = 4
WIDTH_FACTOR = 2  # "subsequent encoder blocks increased the number of output channels by" it
BASE_WIDTH = 16  # the first block's channels in the paper


def _convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width, 3, padding=1, bias=False),
        nn.InstanceNorm3d(width, affine=True),
        nn.ReLU(inplace=True),
    )


class FusionEncoder(nn.Module):
    """Five blocks of two 3x3x3 convolutions, halving the grid in between.

    Input (B, 1, z, y, x); output I1..I5: (B, w, z, y, x), (B, 2w, z/2, y/2, x/2) .. (B, 16w, z/16,
    y/16, x/16), w the base width.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(_convolution(before, width), _convolution(width, width))
            for before, width in pairwise((1, *widths))
        )
        self.pool = nn.MaxPool3d(2)

    def forward(self, image: Tensor) -> list[Tensor]:
        levels = [self.blocks[0](image)]
        for block in self.blocks[1:]:
            levels.append(block(self.pool(levels[-1])))
        return levels


class FusionDecoderBlock(nn.Module):
    """Equation 6: Dx = ReLU(Norm(Conv(ConvT(D) ⊕ Yx))), D from the next coarser scale."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(width_in, width, 3, stride=2, padding=1, output_padding=1)
        self.refine = _convolution(2 * width, width)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        joined = torch.cat((self.up(features), skip), dim=1)  # (B, 2w, z, y, x)
        refined: Tensor = self.refine(joined)
        return refined


class ScaleAlignment(nn.Module):
    """Brings one scale's features to another's grid and projects them to `width_out` channels.

    `steps` is how often the target's grid is halved beyond the source's; negative: doubled. To
    coarser grids a depthwise convolution with stride 2, then average pooling for what remains; to
    finer grids a depthwise transposed convolution with stride 2, then interpolation. The projection
    comes before the interpolation: one is linear over channels, the other over voxels, so this is
    what the paper's order computes, at an eighth (or less) of the voxels.
    """

    def __init__(self, width_in: int, width_out: int, steps: int) -> None:
        super().__init__()
        self.resample: nn.Module = nn.Identity()
        if steps > 0:
            self.resample = nn.Conv3d(width_in, width_in, 3, stride=2, padding=1, groups=width_in)
        if steps < 0:
            self.resample = nn.ConvTranspose3d(
                width_in, width_in, 3, stride=2, padding=1, output_padding=1, groups=width_in
            )
        self.project = nn.Conv3d(width_in, width_out, 1, bias=False)
        self.remaining_factor = 2 ** max(abs(steps) - 1, 0)
        self.is_upward = steps < 0

    def forward(self, features: Tensor) -> Tensor:
        factor = self.remaining_factor
        resampled = self.resample(features)
        if factor > 1 and not self.is_upward:
            resampled = functional.avg_pool3d(resampled, factor)
        projected: Tensor = self.project(resampled)  # (B, width_out, ...)
        if factor > 1 and self.is_upward:
            projected = functional.interpolate(
                projected, scale_factor=float(factor), mode="trilinear", align_corners=False
            )
        return projected


class ScaleFusion(nn.Module):
    """The pointwise convolution over features of several scales, concatenated on one scale's grid.

    `sources`: scale (0 is the finest) and channels of each input. A pointwise convolution over a
    concatenation is the sum of pointwise convolutions over its parts; summing them keeps the
    concatenation (240 channels at full resolution for a base width of 16) out of the memory.
    """

    def __init__(self, sources: Sequence[tuple[int, int]], target: int, width_out: int) -> None:
        super().__init__()
        self.alignments = nn.ModuleList(
            ScaleAlignment(width, width_out, target - scale) for scale, width in sources
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        first, *others = zip(self.alignments, features, strict=True)
        fused: Tensor = first[0](first[1])
        for alignment, source in others:
            fused = fused + alignment(source)
        return fused


def fused_widths(base_width: int) -> list[int]:
    """The channels of I1..I4."""
    return [base_width * WIDTH_FACTOR**scale for scale in range(FUSED_SCALES)]


class FusionBackbone(nn.Module):
    """Encoder, the fusion of its four finer feature maps, decoder and head.

    Input (B, 1, z, y, x), each axis a multiple of 16 and one of them at least 32; output (B,
    classes, z, y, x) logits, background first. `fusion` turns [I1..I4] into [Y1..Y4] of the same
    shapes.
    """

    def __init__(self, classes: int, base_width: int, fusion: nn.Module) -> None:
        super().__init__()
        widths = [*fused_widths(base_width), base_width * WIDTH_FACTOR**FUSED_SCALES]
        self.encoder = FusionEncoder(widths)
        self.fusion = fusion
        self.fusion.apply(_keep_variance)
        self.ups = nn.ModuleList(
            FusionDecoderBlock(coarser, width)
            for width, coarser in reversed(list(pairwise(widths)))
        )
        self.head = nn.Conv3d(base_width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        *levels, features = self.encoder(image)  # features: (B, 16w, z/16, y/16, x/16)
        for up, skip in zip(self.ups, reversed(self.fusion(levels)), strict=True):
            features = up(features, skip)  # (B, 8w, z/8, ...) .. (B, w, z, y, x)
        logits: Tensor = self.head(features)
        return logits


def _keep_variance(module: nn.Module) -> None:
    """PyTorch's own initialisation loses two thirds of the variance at every convolution.

    Nothing normalises inside the fusion, so after two layers only the biases would be left.
    """
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
