"""OARFocalFuseNet's focal modulation against its equations."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI

from models.networks.focal_fuse import FocalFuse, FocalModulation  # noqa: E402


def linear(layer: nn.Conv3d, features: Tensor) -> Tensor:
    """The layer as a matrix over the channels of (C, z, y, x)."""
    mixed = torch.einsum("oc,czyx->ozyx", layer.weight[:, :, 0, 0, 0], features)
    return mixed + layer.bias[:, None, None, None]


def test_modulation_is_that_of_the_equations() -> None:
    """Equations 3-5, term by term: N focal levels, the global context, N + 1 gates, one query."""
    torch.manual_seed(1)
    modulation = FocalModulation(6, focal_levels=2)
    features, start, first, second = torch.randn(4, 6, 2, 3, 4)

    modulated = modulation(features[None], [start[None], first[None], second[None]])[0]

    gates = linear(modulation.gate, start)
    everywhere = second.mean(dim=(1, 2, 3))[:, None, None, None].expand(6, 2, 3, 4)
    gathered = gates[0] * first + gates[1] * second + gates[2] * everywhere
    expected = linear(modulation.mix, gathered) * linear(modulation.query, features)
    torch.testing.assert_close(modulated, expected)


def test_each_focal_level_reaches_one_voxel_further() -> None:
    """Equation 2's depthwise kernel of 3, one after another: 3, 5, 7 voxels within a scale."""
    torch.manual_seed(2)
    fuse = FocalFuse((4,), focal_levels=3)
    quiet, spotted = torch.zeros(2, 1, 4, 9, 9, 9)
    spotted[:, :, 4, 4, 4] = 1.0

    with torch.no_grad():
        contexts = ([quiet], [spotted])
        reached = []
        for level in fuse.levels:
            contexts = (level(contexts[0]), level(contexts[1]))
            touched = (contexts[0][0] != contexts[1][0]).any(dim=1)[0]
            reached.append(int(touched.sum()))

    assert reached == [3**3, 5**3, 7**3]


def test_the_global_context_reaches_the_far_corner() -> None:
    """Without it, a voxel further away than the focal levels would never be heard of."""
    torch.manual_seed(3)
    fuse = FocalFuse((4,), focal_levels=1)
    quiet = torch.randn(1, 4, 16, 16, 16)
    spotted = quiet.clone()
    spotted[..., 0, 0, 0] += 100.0

    with torch.no_grad():
        (before,), (after,) = fuse([quiet]), fuse([spotted])

    assert not torch.equal(before[..., 15, 15, 15], after[..., 15, 15, 15])
