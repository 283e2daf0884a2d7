"""What a network costs: its parameters, and the multiply-adds of one window.

Counted are convolutions and products of matrices, attention included; normalisation, activation
and resampling, which counters usually leave out as well, are not.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

FLOATING_POINT_OPERATIONS = 2  # of one multiply-add: PyTorch's counter counts both


@dataclass(frozen=True)
class NetworkCost:
    """Parameters (trained ones and frozen ones), and the multiply-adds of one forward pass."""

    parameters: int
    multiply_adds: int


def measure_cost(network: nn.Module, shape_zyx: tuple[int, int, int]) -> NetworkCost:
    """The cost of one window of `shape_zyx` voxels; `network` itself is left as it is.

    It runs on PyTorch's meta device, where tensors have a shape and no values: the window may be
    of any size, and nothing is computed. A network that makes tensors of its own in its forward
    pass has to make them on its input's device.
    """
    weightless = deepcopy(network).to("meta").eval()
    window = torch.empty((1, 1, *shape_zyx), device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        weightless(window)
    return NetworkCost(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=counter.get_total_flops() // FLOATING_POINT_OPERATIONS,
    )
