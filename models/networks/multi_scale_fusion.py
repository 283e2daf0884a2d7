"""3D-MSF: the encoder's four feature maps fused in one densely connected block per resolution.

Source: section II-B of "An Efficient Multi-Scale Fusion Network for 3D Organ at Risk (OAR)
Segmentation" (Srivastava et al., arXiv 2208.07417), equation 7. Its blocks go back to the same
authors' 2D networks, whose code is public: MSRF-Net (IEEE JBHI 26, 2022; pairs of neighbouring
scales) and GMSRF-Net (ICPR 2022; all four scales, as here). Where the paper is open, this is read:

- Equation 7's "DepthConv" takes in more channels than it gives out, which a depthwise convolution
  alone cannot: it is a pointwise convolution over the concatenation and a depthwise 3x3x3
  convolution after it, in the order of equation 2 and of GMSRF-Net.
- Four layers as in GMSRF-Net: every layer but the last adds half of its scale's channels, the last
  gives the scale's own. Unlike there, the first layer sees the other scales, as equation 7 says.
- From MSRF-Net: leaky ReLU of slope 0.25 after each layer, and the block's output times 0.4 is
  added to its input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional

from models.networks.fusion_backbone import BASE_WIDTH, FusionBackbone, ScaleFusion, fused_widths

FUSION_LAYERS = 4
GROWTH_DIVISOR = 2
LEAKY_SLOPE = 0.25
RESIDUAL_SCALE = 0.4

Source = tuple[int, int]  # scale (0 is the finest), channels
Item = TypeVar("Item")


class DenseFusionLayer(nn.Module):
    """Equation 7 at one scale, from all of `sources`."""

    def __init__(self, sources: Sequence[Source], scale: int, width_out: int) -> None:
        super().__init__()
        self.fuse = ScaleFusion(sources, scale, width_out)
        self.depthwise = nn.Conv3d(width_out, width_out, 3, padding=1, groups=width_out)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return functional.leaky_relu(self.depthwise(self.fuse(features)), LEAKY_SLOPE)


class DenseFusionStep(nn.Module):
    """Equation 7 at all four scales: what each stream holds so far in, its next features out.

    `streams`: for each scale the sources (scale, channels) that its stream holds.
    """

    def __init__(self, streams: Sequence[Sequence[Source]], widths_out: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseFusionLayer(_inputs(streams, scale), scale, width_out)
            for scale, width_out in enumerate(widths_out)
        )

    def forward(self, streams: Sequence[Sequence[Tensor]]) -> list[Tensor]:
        return [layer(_inputs(streams, scale)) for scale, layer in enumerate(self.layers)]


class DenseFusion(nn.Module):
    """The dense blocks of all scales, layer by layer: [I1..I4] in, [Y1..Y4] of these shapes out."""

    def __init__(self, widths: Sequence[int], fusion_layers: int) -> None:
        super().__init__()
        growths = [width // GROWTH_DIVISOR for width in widths]
        streams = [[source] for source in enumerate(widths)]
        self.steps = nn.ModuleList()
        for widths_out in (*(growths for _ in range(fusion_layers - 1)), widths):
            self.steps.append(DenseFusionStep(streams, widths_out))
            _extend(streams, enumerate(widths_out))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        streams = [[image] for image in features]
        for step in self.steps:
            _extend(streams, step(streams))
        return [stream[0] + RESIDUAL_SCALE * stream[-1] for stream in streams]


def _extend(streams: Sequence[list[Item]], latest: Iterable[Item]) -> None:
    for stream, item in zip(streams, latest, strict=True):
        stream.append(item)


def _inputs(streams: Sequence[Sequence[Item]], scale: int) -> list[Item]:
    """All that its own stream holds, and the latest of each other stream."""
    others = [stream[-1] for other, stream in enumerate(streams) if other != scale]
    return [*streams[scale], *others]


class MultiScaleFusionNetwork(FusionBackbone):
    """Logits of `classes` structures, background first; shapes as in `FusionBackbone`.

    The paper states no counts. With its 16 base channels, 8 classes and a window of 64 x 48 x 48:
    6.11 M parameters and 7.80 G multiply-adds, the dense blocks having 0.22 M and 0.96 G.
    """

    def __init__(
        self, classes: int, base_width: int = BASE_WIDTH, fusion_layers: int = FUSION_LAYERS
    ) -> None:
        super().__init__(classes, base_width, DenseFusion(fused_widths(base_width), fusion_layers))
