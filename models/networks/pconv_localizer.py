"""The phase 1 localizer of Lyu et al. (FLARE23): partial convolutions, a pointwise decoder.

Source: section 2.2 of "Advancing Multi-Organ and Pan-Cancer Segmentation in Abdominal CT Scans
through Scale-Aware and Self-Attentive Modulation". Its text and its authors' code differ, and each
can be built:

| | as in the text (the default) | as in the code (`as_published`) |
|---|---|---|
| normalisation | with scale and offset | without |
| biases before the decoder | yes, those of the reductions in vain | none |
| levels, when they enter the decoder | as they are | normalised once more |
| width of a level in the decoder | 32, the base channels | 64 |
| pointwise layers of the fusion | one | two, without an activation between |
| resampling to full size keeps in place | the edges of the grid | the outermost voxel centres |

Measured at 128 cubed with two outputs: 1 358 178 parameters and 0.953 G multiply-adds by the text,
1 383 746 and 1.530 G by the code. Table 2 states 1.38 M and 1.56 G, which is the code's: two
operations for each normalised value and one for each upsampled value, which some counters add,
make it 1.556 G. Left out here: the second decoder of the authors' code, which nothing calls, and
the dropping of whole blocks while it trains, of which the text says nothing.
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
PUBLISHED_DECODER_WIDTH = 64


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

    def __init__(self, width: int, has_offsets: bool) -> None:
        super().__init__()
        self.mix = PartialConvolution(width)
        self.expand = nn.Conv3d(width, EXPANSION * width, 1, bias=False)
        self.norm = nn.InstanceNorm3d(EXPANSION * width, affine=has_offsets)
        self.project = nn.Conv3d(EXPANSION * width, width, 1, bias=has_offsets)

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.relu(self.norm(self.expand(self.mix(features))))
        return features + self.project(hidden)


def _reduction(width_in: int, width_out: int, stride: int, has_offsets: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width_out, stride, stride=stride, bias=has_offsets),
        nn.InstanceNorm3d(width_out, affine=has_offsets),
    )


def _fusion(width_in: int, classes: int, as_published: bool) -> nn.Module:
    if not as_published:
        return nn.Conv3d(width_in, classes, 1)
    return nn.Sequential(
        nn.Conv3d(width_in, PUBLISHED_DECODER_WIDTH, 1),
        nn.Conv3d(PUBLISHED_DECODER_WIDTH, classes, 1),
    )


class PConvLocalizer(nn.Module):
    """Binary logits of a whole scan.

    Input (B, 1, z, y, x), each axis a multiple of 32 and one of them at least 64 (the paper: 128
    cubed); output (B, classes, z, y, x). The decoder is the pointwise one of SegFormer, without an
    activation inside. `as_published`: see above; the released localizer is of the default kind.
    """

    def __init__(self, classes: int = 2, as_published: bool = False) -> None:
        super().__init__()
        widths_in = (1, *STAGE_WIDTHS[:-1])
        strides = (STEM_STRIDE, 2, 2, 2)
        has_offsets = not as_published
        width = PUBLISHED_DECODER_WIDTH if as_published else STAGE_WIDTHS[0]
        self.reductions = nn.ModuleList(
            _reduction(before, after, stride, has_offsets)
            for before, after, stride in zip(widths_in, STAGE_WIDTHS, strides, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(InvertedBottleneck(w, has_offsets) for _ in range(BLOCKS_PER_STAGE)))
            for w in STAGE_WIDTHS
        )
        self.level_norms = nn.ModuleList(
            nn.InstanceNorm3d(w) if as_published else nn.Identity() for w in STAGE_WIDTHS
        )
        self.compressions = nn.ModuleList(nn.Conv3d(w, width, 1) for w in STAGE_WIDTHS)
        self.fuse = _fusion(width * len(STAGE_WIDTHS), classes, as_published)
        self.align_corners = as_published

    def forward(self, image: Tensor) -> Tensor:
        features, levels = image, []
        for reduction, stage, norm in zip(
            self.reductions, self.stages, self.level_norms, strict=True
        ):
            features = stage(reduction(features))  # (B, 32..256, z/4..z/32, ...)
            levels.append(norm(features))
        size = levels[0].shape[2:]
        compressed = [
            functional.interpolate(compression(level), size=size, mode="nearest")
            for compression, level in zip(self.compressions, levels, strict=True)
        ]
        fused = self.fuse(torch.cat(compressed, dim=1))  # (B, classes, z/4, y/4, x/4)
        return functional.interpolate(
            fused,
            scale_factor=float(STEM_STRIDE),
            mode="trilinear",
            align_corners=self.align_corners,
        )
