"""The 3D U-Net of Roth's cascade: its published size, and that it learns and exports."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch.nn import functional  # noqa: E402 - torch may be missing outside CI

from models.networks.cascaded_fcn import CascadedFcn  # noqa: E402
from models.networks.cost import measure_cost  # noqa: E402
from tests.models.networks.one_case import in_noise, learn_by_heart  # noqa: E402

SMALL = (8, 16, 32)
PUBLISHED_OUTPUTS = 8  # seven abdominal structures and the background
PUBLISHED_PARAMETERS_OF_CICEK = 19_069_955  # three outputs


def test_the_published_network_has_its_published_size() -> None:
    """The widths are read off the authors' definition; a wrong one shows in these numbers."""
    with torch.device("meta"):
        network = CascadedFcn(PUBLISHED_OUTPUTS)

    cost = measure_cost(network, (96, 96, 96))

    assert cost.parameters == 19_072_680
    assert cost.multiply_adds == pytest.approx(824.63e9, rel=1e-3)


def test_the_parameters_are_those_that_cicek_counted() -> None:
    """Normalisation and biases are placed a little differently; nothing else may differ."""
    parameters = sum(weights.numel() for weights in CascadedFcn(3).parameters())

    assert parameters == pytest.approx(PUBLISHED_PARAMETERS_OF_CICEK, rel=2e-4)


@pytest.mark.parametrize("shape", [(16, 16, 16), (8, 24, 32)])
def test_the_answer_has_the_grid_of_the_window(shape: tuple[int, int, int]) -> None:
    """The papers' network answers a smaller grid; ours is padded, so that windows can be tiled."""
    network = CascadedFcn(3, SMALL).eval()

    logits = network(torch.zeros(2, 1, *shape))

    assert logits.shape == (2, 3, *shape)


def test_the_answer_does_not_depend_on_the_other_windows_of_a_batch() -> None:
    """Running statistics, not those of the windows at hand, normalise a prediction."""
    torch.manual_seed(1)
    network = CascadedFcn(3, SMALL)
    network(torch.randn(4, 1, 16, 16, 16))
    windows = torch.randn(2, 1, 16, 16, 16)

    with torch.no_grad():
        together = network.eval()(windows)
        alone = network(windows[:1])

    torch.testing.assert_close(together[:1], alone, atol=1e-5, rtol=1e-4)


def test_the_gradient_reaches_every_parameter() -> None:
    """A parameter without a gradient is counted but never learns; doubles tell it from noise."""
    torch.manual_seed(2)
    network = CascadedFcn(3, SMALL).double().train()
    labels = torch.randint(0, 3, (2, 16, 16, 16))

    functional.cross_entropy(network(torch.randn(2, 1, 16, 16, 16).double()), labels).backward()

    assert [n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-9] == []


def test_it_learns_one_case_by_heart() -> None:
    """Two blocks in noise, as different from each other as from what surrounds them."""
    torch.manual_seed(3)
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
    labels[:, 3:12, 2:8, 3:13] = 1
    labels[:, 6:14, 9:14, 4:12] = 2
    image = in_noise(labels, (0.0, 0.7, 1.4))

    answer = learn_by_heart(CascadedFcn(3, SMALL), image, labels, rate=5e-3, steps=60)

    assert (answer == labels).float().mean() > 0.98


def test_the_exported_graph_answers_alike_for_any_batch_and_window() -> None:
    """Batch statistics do not tie it to a window: the whole region can go through in one pass."""
    pytest.importorskip("onnxscript", reason="needs the training extra")
    from models.export.onnx_export import export_network
    from tests.models.networks.exported_graph import largest_differences

    torch.manual_seed(4)
    network = CascadedFcn(3, SMALL)
    network(torch.randn(4, 1, 16, 16, 16))

    model = export_network(network, torch.randn(1, 1, 16, 24, 32), dynamic_axes=True)

    images = [torch.randn(1, 1, 16, 16, 16), torch.randn(3, 1, 8, 32, 24)]
    assert max(largest_differences(network, model.SerializeToString(), images)) < 1e-4
