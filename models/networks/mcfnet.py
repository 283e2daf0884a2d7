"""MCFNet: two cascaded 2D backbones whose predictions at four scales are added.

Source: Hao et al., "Multi-scale Cascaded Foundation Model for Whole-body Organs-at-risk
Segmentation" (arXiv 2411.15526). We had its abstract and summaries of it, not its methods; the
authors' repository holds no code. Public facts:

- a sharp extraction backbone (five encoder levels, squeeze-and-excitation, nearest upsampling) on
  256 x 256 slices and a flexible connection backbone (channel-wise cross-fusion transformer on the
  skip connections, channel attention in the decoder) on 224 x 224, both from 64 channels;
- the sigmoid map of the first gates the image for the second, which receives its features too;
- the same output heads serve both; their predictions at four scales are added pairwise, and the
  output is Pred = u p1 + v p2 + w p3 + x p4.

A summary of the second version speaks of a "linear attention transformer" in the skip connections
instead; nothing more is known of it, and the cross-fusion transformer is kept.

Our reading, after the cascade of MERIT (Rahman and Marculescu, MIDL 2023), which has this shape:

- the heads are shared modules, one pointwise layer per scale; logits are brought to the size of
  the slice by bilinear interpolation before they are added;
- the gate is one more pointwise layer on the finest decoder features of the first backbone;
- u = v = w = x = 1, as MERIT sets them; other values are an argument, not learned, for a factor on
  the logits of a head is already in the head. What adapts are the weights of the loss
  (models/training/aggregation.py).

The slices of a volume are independent of each other. A slice may have any size in multiples of 32;
the second backbone sees 7/8 of it, rounded down to what its four poolings need.

Measured with eight outputs: 79.90 M parameters, 68.7 G multiply-adds for a slice of 256 x 256.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.flexible_connection import FlexibleConnection
from models.networks.scale_decoder import decoder_widths
from models.networks.sharp_extraction import SharpExtraction

LEVEL_FACTORS = (1, 2, 4, 8, 8)  # of the base width, at each encoder level (UCTransNet)
COARSEST_STRIDE = 16
FLEXIBLE_SHARE = (7, 8)  # 224 of 256 pixels


class MCFNet(nn.Module):
    """Logits of `classes` structures, background first, slice by slice.

    Input (B, 1, z, y, x), y and x multiples of 32 (256 as published), any z; output
    (B, classes, z, y, x). `width`: channels at the finest level; `layers` and `heads` of the
    cross-fusion transformer and its `dropout` are UCTransNet's.
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        scale_weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        widths = tuple(factor * width for factor in LEVEL_FACTORS)
        self.sharp = SharpExtraction(widths)
        self.flexible = FlexibleConnection(widths, layers, heads, dropout)
        self.heads = nn.ModuleList(nn.Conv2d(w, classes, 1) for w in decoder_widths(widths))
        self.gate = nn.Conv2d(width, 1, 1)
        self.scale_weights = tuple(scale_weights)

    def forward(self, image: Tensor) -> Tensor:
        first, *others = self.predict_scales(image)
        for other in others:
            first = first + other
        return first

    def predict_scales(self, image: Tensor) -> tuple[Tensor, ...]:
        """u p1, v p2, w p3 and x p4, coarsest first, each (B, classes, z, y, x); they add up to
        the answer of `forward`.
        """
        volumes, _, depth, height, width = image.shape
        slices = image.transpose(1, 2).flatten(0, 1)  # (B * z, 1, y, x)
        encoded, sharp = self.sharp(slices)
        gated = slices * torch.sigmoid(self.gate(sharp[-1]))
        smaller = (_flexible_extent(height), _flexible_extent(width))  # 224 x 224
        flexible = self.flexible(_resized(gated, smaller), encoded)
        predictions = []
        for weight, head, one, other in zip(
            self.scale_weights, self.heads, sharp, flexible, strict=True
        ):
            full = (height, width)
            added = _resized(head(one), full) + _resized(head(other), full)
            volume = added.unflatten(0, (volumes, depth))  # (B, z, classes, y, x)
            predictions.append(weight * volume.transpose(1, 2))
        return tuple(predictions)


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(image, size=size, mode="bilinear", align_corners=False)


def _flexible_extent(extent: int) -> int:
    share, whole = FLEXIBLE_SHARE
    return extent * share // whole // COARSEST_STRIDE * COARSEST_STRIDE
