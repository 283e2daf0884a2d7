"""The flexible connection backbone of MCFNet: UCTransNet, fed with the other backbone's features.

Public fact: a channel-wise cross-fusion transformer on the skip connections, channel attention in
the decoder, and the features of the sharp extraction backbone received. Our reading: the network of
Wang et al. (AAAI 2022) as its authors published it, one convolution at the finest level and two
below; each encoder level of the first backbone is brought to this grid and added to the same level
here, the skip connections before they are fused and the coarsest before it is decoded, as the
cascade of MERIT adds them (Rahman and Marculescu, MIDL 2023).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.networks.cross_fusion import CrossFusion
from models.networks.scale_decoder import (
    CONVOLUTIONS_PER_LEVEL,
    ScaleDecoder,
    build_convolutions,
)


class ChannelWeighing(nn.Module):
    """Channel-wise cross attention: the decoder says which channels of a skip matter.

    M = L1 G(skip) + L2 G(above) with G the mean over the grid; sigmoid(M) scales the skip (Wang et
    al., section on channel-wise cross attention). Their code halves M, and so does this. (N, C, y,
    x) twice in, once out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.from_above = nn.Linear(width, width)
        self.from_skip = nn.Linear(width, width)

    def forward(self, above: Tensor, skip: Tensor) -> Tensor:
        said = self.from_above(above.mean(dim=(2, 3))) + self.from_skip(skip.mean(dim=(2, 3)))
        weights = torch.sigmoid(said / 2)  # (N, C)
        return torch.relu(skip * weights[:, :, None, None])


class FlexibleConnection(nn.Module):
    """Features of four decoder scales, coarsest first, of a slice and what was seen in it before.

    Input (N, 1, y, x), y and x multiples of 16, and five encoder levels of the sharp extraction
    backbone, finest first, on any grid.
    """

    def __init__(self, widths: tuple[int, ...], layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            build_convolutions(before, width, CONVOLUTIONS_PER_LEVEL if index else 1)
            for index, (before, width) in enumerate(pairwise((1, *widths)))
        )
        self.pool = nn.MaxPool2d(2)
        self.fusion = CrossFusion(widths[:-1], layers, heads, dropout)
        self.decoder = ScaleDecoder(widths, ChannelWeighing)

    def forward(self, image: Tensor, seen_before: list[Tensor]) -> list[Tensor]:
        encoded = [self.levels[0](image)]  # (N, 64, y, x)
        for level in self.levels[1:]:
            encoded.append(level(self.pool(encoded[-1])))  # .. (N, 512, y/16, x/16)
        joined = [
            own + functional.interpolate(other, size=own.shape[2:], mode="bilinear")
            for own, other in zip(encoded, seen_before, strict=True)
        ]
        scales: list[Tensor] = self.decoder(joined[-1], self.fusion(joined[:-1]))
        return scales
