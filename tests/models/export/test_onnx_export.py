"""A network as a graph: the same answers, at any batch, and at any size where it is asked for."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI
from torch.nn import functional  # noqa: E402

from models.export.onnx_export import ExportError, export_network  # noqa: E402
from models.networks.residual_unet import ResidualUNet  # noqa: E402
from tests.models.export.small_graphs import answer, operators  # noqa: E402


class Halves(nn.Module):
    """Brings features back to the image's size, whatever that is: no operator alone can."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(1, 2, 2, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        return functional.interpolate(self.reduce(image), size=image.shape[2:], mode="nearest")


class Branches(nn.Module):
    """Decides by what it sees, which no graph can hold."""

    def forward(self, image: Tensor) -> Tensor:
        return image if image.sum() > 0 else -image


@pytest.fixture(scope="module")
def network() -> ResidualUNet:
    """Small, and with batch normalisation."""
    torch.manual_seed(0)
    return ResidualUNet(3, (8, 12)).eval()


@pytest.fixture(scope="module")
def fixed(network: ResidualUNet) -> onnx.ModelProto:
    """Its graph for one size: exporting takes seconds."""
    return export_network(network, torch.zeros(1, 1, 4, 6, 8))


def _difference(network: nn.Module, graph: onnx.ModelProto, *shape: int) -> float:
    image = torch.rand(*shape) * 2 - 1
    with torch.no_grad():
        return float(np.abs(answer(graph, image.numpy()) - network(image).numpy()).max())


def test_a_fixed_graph_takes_any_batch_and_one_size(
    network: ResidualUNet, fixed: onnx.ModelProto
) -> None:
    """Engines plan their memory by the size; how many windows come at once is not known."""
    differences = [_difference(network, fixed, batch, 1, 4, 6, 8) for batch in (1, 2, 3)]

    shape = [d.dim_param or d.dim_value for d in fixed.graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", 1, 4, 6, 8]
    assert max(differences) < 1e-5


def test_a_dynamic_graph_takes_other_sizes(network: ResidualUNet) -> None:
    """A scan smaller than its window shrinks it."""
    graph = export_network(network, torch.zeros(1, 1, 4, 6, 8), dynamic_axes=True, multiple_of=2)

    shape = [d.dim_param for d in graph.graph.output[0].type.tensor_type.shape.dim]
    assert shape == ["batch", "", "z", "y", "x"]
    assert _difference(network, graph, 3, 1, 8, 4, 10) < 1e-5


def test_sizes_held_within_the_network_become_dynamic_too() -> None:
    """Where a graph holds the size of its example, the exporter has to solve for it."""
    network = Halves().eval()

    graph = export_network(network, torch.zeros(1, 1, 4, 4, 4), dynamic_axes=True, multiple_of=2)

    assert _difference(network, graph, 2, 1, 6, 4, 8) < 1e-5


def test_a_graph_says_nothing_of_where_it_was_made(fixed: onnx.ModelProto) -> None:
    """The exporter would write its source files' paths beside every operator."""
    content = fixed.SerializeToString()

    assert b".py" not in content
    assert b"models.networks" not in content


def test_batch_normalisation_is_folded_into_the_convolutions(fixed: onnx.ModelProto) -> None:
    """It costs nothing when the network is served."""
    found = operators(fixed)

    assert "BatchNormalization" not in found
    assert len(found["Conv"]) > 3


def test_a_network_that_cannot_be_a_graph_is_refused_by_name() -> None:
    """Whoever wrote it learns which it was."""
    with pytest.raises(ExportError, match="Branches cannot be exported"):
        export_network(Branches(), torch.ones(1, 1, 2, 2, 2))
