"""The channel-wise cross-fusion transformer on the skip connections (UCTransNet).

Source: Wang et al., "UCTransNet: Rethinking the Skip Connections in U-Net from a Channel-wise
Perspective with Transformer", AAAI 2022, section "CCT". Every channel of a skip connection asks
which channels of all skip connections belong to it; attention is therefore a table of channels by
channels, whatever the size of the slice. The settings (4 layers, 4 heads, expansion 4, patches of
16, 8, 4 and 2) are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCHES = (16, 8, 4, 2)  # edge in pixels of each level, so that all levels have the same tokens
EXPANSION = 4
POSITIONS = 14  # tokens along an axis of the published 224 x 224 slice
NORM_EPSILON = 1e-6


class ChannelEmbedding(nn.Module):
    """Patches of one level as tokens with a learned position: (N, C, y, x) -> (N, T, C)."""

    def __init__(self, width: int, patch: int, dropout: float) -> None:
        super().__init__()
        self.patches = nn.Conv2d(width, width, patch, stride=patch)
        self.positions = nn.Parameter(torch.zeros(1, width, POSITIONS, POSITIONS))
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        patches = self.patches(features)
        # Nothing changes at the published size; other slices are read between its positions.
        positions = functional.interpolate(
            self.positions, size=patches.shape[2:], mode="bilinear", align_corners=False
        )
        tokens = (patches + positions).flatten(2).transpose(1, 2)
        embedded: Tensor = self.dropout(tokens)
        return embedded


class ChannelAttention(nn.Module):
    """Channels of each level attend to the channels of all levels.

    Per head softmax(psi(Q_i^T K / sqrt(C))) V^T with C = sum(C_i) and psi instance normalisation;
    the heads are averaged and projected. Tokens of each level (N, T, C_i) in and out.
    """

    def __init__(self, widths: Sequence[int], heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.all_widths = sum(widths)
        self.queries = nn.ModuleList(nn.Linear(c, heads * c, bias=False) for c in widths)
        self.key = nn.Linear(self.all_widths, heads * self.all_widths, bias=False)
        self.value = nn.Linear(self.all_widths, heads * self.all_widths, bias=False)
        self.outputs = nn.ModuleList(nn.Linear(c, c, bias=False) for c in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, levels: list[Tensor], joined: Tensor) -> list[Tensor]:
        keys = self._by_head(self.key(joined))  # (N, heads, T, C)
        values = self._by_head(self.value(joined)).transpose(2, 3)  # (N, heads, C, T)
        attended = []
        for tokens, query, output in zip(levels, self.queries, self.outputs, strict=True):
            queries = self._by_head(query(tokens)).transpose(2, 3)  # (N, heads, C_i, T)
            weights = self.dropout(self._weights(queries @ keys))  # (N, heads, C_i, C)
            context = (weights.to(values.dtype) @ values).mean(dim=1)  # (N, C_i, T)
            attended.append(self.dropout(output(context.transpose(1, 2))))  # (N, T, C_i)
        return attended

    def _by_head(self, tokens: Tensor) -> Tensor:
        # (N, T, heads * C) -> (N, heads, T, C)
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def _weights(self, similarities: Tensor) -> Tensor:
        # In float32 whatever the precision around: instance normalisation, then softmax.
        scaled = similarities.float() / self.all_widths**0.5
        return torch.softmax(functional.instance_norm(scaled), dim=3)


class CrossFusionLayer(nn.Module):
    """Cross attention over the channels, then one perceptron per level, both with a shortcut."""

    def __init__(self, widths: Sequence[int], heads: int, dropout: float) -> None:
        super().__init__()
        self.level_norms = nn.ModuleList(nn.LayerNorm(c, eps=NORM_EPSILON) for c in widths)
        self.joined_norm = nn.LayerNorm(sum(widths), eps=NORM_EPSILON)
        self.attention = ChannelAttention(widths, heads, dropout)
        self.perceptrons = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(c, eps=NORM_EPSILON),
                nn.Linear(c, EXPANSION * c),
                nn.GELU(),
                nn.Linear(EXPANSION * c, c),
            )
            for c in widths
        )

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        joined = self.joined_norm(torch.cat(levels, dim=2))  # (N, T, sum(C_i))
        normed = [norm(tokens) for norm, tokens in zip(self.level_norms, levels, strict=True)]
        attended = self.attention(normed, joined)
        levels = [before + after for before, after in zip(levels, attended, strict=True)]
        return [
            tokens + perceptron(tokens)
            for tokens, perceptron in zip(levels, self.perceptrons, strict=True)
        ]


class Reconstruction(nn.Module):
    """Tokens back on the grid of their level: (N, T, C) -> (N, C, y, x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # No offset: the batch normalisation behind the pointwise layer would take it away again.
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON, bias=False)
        self.refine = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )

    def forward(self, tokens: Tensor, patch: int, like: Tensor) -> Tensor:
        grid = (like.shape[2] // patch, like.shape[3] // patch)
        features = self.norm(tokens).transpose(1, 2).unflatten(2, grid)
        # The authors spread the tokens first; a pointwise layer does not mind the order, and its
        # normalisation finds every token as often as before.
        refined: Tensor = self.refine(features)
        return functional.interpolate(refined, scale_factor=patch, mode="nearest")


class CrossFusion(nn.Module):
    """Four skip connections, finest first, each enriched by all of them; the shapes stay.

    Level i is (N, widths[i], y / 2**i, x / 2**i), with y and x multiples of 16.
    """

    def __init__(self, widths: Sequence[int], layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            ChannelEmbedding(width, patch, dropout)
            for width, patch in zip(widths, PATCHES, strict=True)
        )
        self.layers = nn.ModuleList(CrossFusionLayer(widths, heads, dropout) for _ in range(layers))
        self.reconstructions = nn.ModuleList(Reconstruction(width) for width in widths)

    def forward(self, skips: list[Tensor]) -> list[Tensor]:
        levels = [embed(skip) for embed, skip in zip(self.embeddings, skips, strict=True)]
        for layer in self.layers:
            levels = layer(levels)
        return [
            skip + reconstruct(tokens, patch, skip)
            for skip, reconstruct, tokens, patch in zip(
                skips, self.reconstructions, levels, PATCHES, strict=True
            )
        ]
