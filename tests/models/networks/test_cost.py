"""The count of parameters and multiply-adds, on layers that can be counted by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI
from torch.nn import functional  # noqa: E402

from models.networks.cost import NetworkCost, measure_cost  # noqa: E402

VOXELS = 8 * 16 * 4
SHAPE_ZYX = (8, 16, 4)


class Attention(nn.Module):
    """Every voxel attends to all, without a parameter."""

    def forward(self, image: Tensor) -> Tensor:
        tokens = image.flatten(2).transpose(1, 2)  # (B, z * y * x, 1)
        return functional.scaled_dot_product_attention(tokens, tokens, tokens)


@pytest.mark.parametrize(
    ("layers", "parameters", "multiply_adds"),
    [
        ([nn.Conv3d(1, 6, 3, padding=1)], 6 * 27 + 6, 6 * 27 * VOXELS),
        ([nn.Conv3d(1, 6, 2, stride=2, bias=False)], 6 * 8, 6 * VOXELS),
        ([nn.ConvTranspose3d(1, 6, 2, stride=2, bias=False)], 6 * 8, 6 * 8 * VOXELS),
        (
            [nn.Conv3d(1, 6, 1, bias=False), nn.Conv3d(6, 6, 3, padding=1, groups=6, bias=False)],
            6 + 6 * 27,
            (6 + 6 * 27) * VOXELS,
        ),
        ([nn.Linear(4, 5)], 4 * 5 + 5, 5 * VOXELS),
        ([Attention()], 0, 2 * VOXELS**2),
        ([nn.InstanceNorm3d(1, affine=True), nn.ReLU(), nn.Upsample(scale_factor=2)], 2, 0),
    ],
    ids=["convolution", "strided", "transposed", "depthwise", "linear", "attention", "uncounted"],
)
def test_a_layer_costs_what_its_formula_says(
    layers: list[nn.Module], parameters: int, multiply_adds: int
) -> None:
    """One multiply-add is one, not two, and a bias is a parameter that costs nothing to apply."""
    network = nn.Sequential(*layers)

    cost = measure_cost(network, SHAPE_ZYX)

    assert cost == NetworkCost(parameters, multiply_adds)


def test_frozen_parameters_count() -> None:
    """They fill the file and the memory like any others."""
    network = nn.Conv3d(1, 4, 1).requires_grad_(False)

    cost = measure_cost(network, SHAPE_ZYX)

    assert cost.parameters == 8


def test_measuring_leaves_the_network_as_it_is() -> None:
    """It may be in the middle of its training, on the device where that runs."""
    network = nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2)).train()
    before = {name: values.clone() for name, values in network.state_dict().items()}

    measure_cost(network, SHAPE_ZYX)

    assert network.training
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
