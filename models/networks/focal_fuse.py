"""OARFocalFuseNet: focal modulation whose focal levels exchange features between four resolutions.

Source: section II-A2 of "An Efficient Multi-Scale Fusion Network for 3D Organ at Risk (OAR)
Segmentation" (Srivastava et al., arXiv 2208.07417), equations 1-5; what it takes from elsewhere is
focal modulation (Yang et al., "Focal Modulation Networks", NeurIPS 2022). Where the paper is open,
this is read:

- One focal fuse block. The number N of focal levels is not given; 3 as in FocalNet's variants with
  the larger receptive field, but with the paper's constant kernel of 3.
- Equation 3 gives N + 1 gates a voxel, one for every focal level and one for the global context,
  each the same for all channels. Equation 4's term N + 1 is that global context, the mean of F_N.
- Before equation 5 "F = Linear(F ⊙ G)" is read as a linear layer over equation 4's sum, which has
  been gated already (FocalNet's layer h); N + 1 gates could not be multiplied with its channels.
- Equation 5 sums over the same a that names its result. Yx joins the decoder at scale x (equation
  6) with that scale's channels, so it holds for each of the four scales and nothing is summed.
- No residual, normalisation or feed-forward layer around the block, since none is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from models.networks.fusion_backbone import BASE_WIDTH, FusionBackbone, ScaleFusion, fused_widths

FOCAL_LEVELS = 3


class FocalLayer(nn.Module):
    """Equation 2 at one scale a: F_l = GELU(DC(Conv1x1(F_l-1 of all four scales)))."""

    def __init__(self, widths: Sequence[int], scale: int) -> None:
        super().__init__()
        width = widths[scale]
        self.fuse = ScaleFusion(list(enumerate(widths)), scale, width)
        self.depthwise = nn.Conv3d(width, width, 3, padding=1, groups=width)

    def forward(self, contexts: Sequence[Tensor]) -> Tensor:
        return functional.gelu(self.depthwise(self.fuse(contexts)))


class FocalLevel(nn.Module):
    """Equation 2 at all four scales: F_l-1 in, F_l of the same shapes out."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FocalLayer(widths, scale) for scale in range(len(widths)))

    def forward(self, contexts: Sequence[Tensor]) -> list[Tensor]:
        return [layer(contexts) for layer in self.layers]


class FocalModulation(nn.Module):
    """Equations 3-5 at one scale: gates, the gated sum of contexts, and what it modulates."""

    def __init__(self, width: int, focal_levels: int) -> None:
        super().__init__()
        self.query = nn.Conv3d(width, width, 1)
        self.gate = nn.Conv3d(width, focal_levels + 1, 1)
        self.mix = nn.Conv3d(width, width, 1)

    def forward(self, features: Tensor, contexts: Sequence[Tensor]) -> Tensor:
        """`features` I and `contexts` F_0 .. F_N, all (B, C, z, y, x)."""
        start, *focal = contexts
        gates = self.gate(start).split(1, dim=1)  # N + 1 times (B, 1, z, y, x)
        gathered = focal[-1].mean(dim=(2, 3, 4), keepdim=True) * gates[-1]  # the global context
        for context, gate in zip(focal, gates[:-1], strict=True):
            gathered = gathered + context * gate
        modulated: Tensor = self.query(features) * self.mix(gathered)
        return modulated


class FocalFuse(nn.Module):
    """The focal fuse block: [I1..I4] in, [Y1..Y4] of the same shapes out."""

    def __init__(self, widths: Sequence[int], focal_levels: int) -> None:
        super().__init__()
        self.starts = nn.ModuleList(nn.Conv3d(width, width, 1) for width in widths)  # equation 1
        self.levels = nn.ModuleList(FocalLevel(widths) for _ in range(focal_levels))
        self.modulations = nn.ModuleList(FocalModulation(width, focal_levels) for width in widths)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        contexts = [start(image) for start, image in zip(self.starts, features, strict=True)]
        history = [contexts]
        for level in self.levels:
            contexts = level(contexts)
            history.append(contexts)
        by_scale = zip(*history, strict=True)  # four times (F_0, .., F_N)
        return [
            modulation(image, scale_contexts)
            for modulation, image, scale_contexts in zip(
                self.modulations, features, by_scale, strict=True
            )
        ]


class OARFocalFuseNet(FusionBackbone):
    """Logits of `classes` structures, background first; shapes as in `FusionBackbone`.

    The paper states no counts. With its 16 base channels, 8 classes and a window of 64 x 48 x 48:
    6.21 M parameters and 8.25 G multiply-adds, the focal fuse block having 0.32 M and 1.41 G.
    """

    def __init__(
        self, classes: int, base_width: int = BASE_WIDTH, focal_levels: int = FOCAL_LEVELS
    ) -> None:
        super().__init__(classes, base_width, FocalFuse(fused_widths(base_width), focal_levels))
