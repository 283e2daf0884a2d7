"""Blocks that mix voxels by scale-aware modulation or by self-attention, then channels.

Sources: Lin et al., "Scale-Aware Modulation Meet Transformer" (ICCV 2023), and section 2.2 with
equation 1 of Lyu et al. (FLARE23), who made it three-dimensional. Everything here takes and gives
(B, C, z, y, x): a layer over the channels of each voxel is a pointwise convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MIXED_KERNELS = (3, 5, 7)  # M = 3 heads
AGGREGATION_EXPANSION = 2
FEED_FORWARD_RATIO = 2
BLOCK_NORM_EPSILON = 1e-6


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of each voxel's channels; (B, C, z, y, x) in and out."""

    def forward(self, features: Tensor) -> Tensor:
        normed: Tensor = super().forward(features.movedim(1, -1))  # (B, z, y, x, C)
        return normed.movedim(-1, 1)


def _depthwise(width: int, kernel: int, bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(width, width, kernel, padding=kernel // 2, groups=width, bias=bias)


class ScaleAwareModulator(nn.Module):
    """Weighs values by what depthwise convolutions of three sizes see around them (equation 1).

    The depthwise convolutions and the grouped aggregation have no bias, unlike the authors': the
    instance normalisation behind both would take a constant away again.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = len(MIXED_KERNELS)
        self.spread = nn.Conv3d(width, width, 1)
        self.mixed = nn.ModuleList(
            _depthwise(width // heads, kernel, bias=False) for kernel in MIXED_KERNELS
        )
        # One group for each i of equation 1: the i-th channel of every head, and of no other.
        hidden = AGGREGATION_EXPANSION * width
        self.aggregate = nn.Sequential(
            nn.Conv3d(width, hidden, 1, groups=width // heads, bias=False),
            nn.InstanceNorm3d(hidden),
            nn.GELU(),
            nn.Conv3d(hidden, width, 1),
        )
        self.value = nn.Conv3d(width, width, 1)
        self.project = nn.Conv3d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        heads = self.spread(features).chunk(len(MIXED_KERNELS), dim=1)  # each (B, C/M, z, y, x)
        mixed = [convolve(head) for convolve, head in zip(self.mixed, heads, strict=True)]  # H_j
        # (B, C/M, M, z, y, x), then (B, C, z, y, x) as [H_1^1, .., H_M^1, H_1^2, ..]
        grouped = torch.stack(mixed, dim=2).flatten(1, 2)
        weights = self.aggregate(grouped)  # G_i, then W
        modulated: Tensor = self.project(weights * self.value(features))
        return modulated


class SelfAttention(nn.Module):
    """Every voxel attends to all others; a depthwise convolution adds where the values stand.

    Keys have no bias, unlike the authors': it adds the same to all the similarities of a query,
    which the softmax takes away again.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv3d(width, width, 1)
        self.key = nn.Conv3d(width, width, 1, bias=False)
        self.value = nn.Conv3d(width, width, 1)
        self.place = _depthwise(width, 3)
        self.project = nn.Conv3d(width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        values = self.value(features)
        attended = functional.scaled_dot_product_attention(
            self._by_head(self.query(features)),
            self._by_head(self.key(features)),
            self._by_head(values),
        )  # (B, heads, z * y * x, C / heads)
        context = attended.transpose(2, 3).reshape(features.shape)
        projected: Tensor = self.project(context + self.place(values))
        return projected

    def _by_head(self, features: Tensor) -> Tensor:
        # (B, C, z, y, x) -> (B, heads, z * y * x, C / heads)
        return features.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)


class FeedForward(nn.Module):
    """Two pointwise layers; in between each voxel hears its neighbours in every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = FEED_FORWARD_RATIO * width
        self.expand = nn.Conv3d(width, hidden, 1)
        self.mix = _depthwise(hidden, 3)
        self.project = nn.Conv3d(hidden, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.expand(features)  # (B, 2C, z, y, x)
        projected: Tensor = self.project(functional.gelu(hidden + self.mix(hidden)))
        return projected


class MetaformerBlock(nn.Module):
    """A `mixer` of voxels and a feed-forward layer, each normalised first and with a shortcut."""

    def __init__(self, width: int, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer_norm = ChannelNorm(width, eps=BLOCK_NORM_EPSILON)
        self.mixer = mixer
        self.feed_forward_norm = ChannelNorm(width, eps=BLOCK_NORM_EPSILON)
        self.feed_forward = FeedForward(width)

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.mixer(self.mixer_norm(features))
        return features + self.feed_forward(self.feed_forward_norm(features))
