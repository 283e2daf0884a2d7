"""Lyu's phase 1 network, by its text and by its code: sizes, old checkpoints, learning, export."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch.nn import functional  # noqa: E402 - torch may be missing outside CI

from models.networks.cost import NetworkCost, measure_cost  # noqa: E402
from models.networks.pconv_localizer import PartialConvolution, PConvLocalizer  # noqa: E402
from tests.models.networks.one_case import in_noise, learn_by_heart  # noqa: E402

WINDOW = (128, 128, 128)
NORMALISED_VALUES = 8_355_840  # of the levels, their blocks and the decoder, at 128 cubed
UPSAMPLED_VALUES = 4 * 64 * 32**3


def test_the_networks_parameters_are_those_of_table_2() -> None:
    """1.38 M and 1.56 G: the latter with two operations a normalised value, one an upsampled."""
    cost = measure_cost(PConvLocalizer(as_published=True), WINDOW)

    assert cost == NetworkCost(1_383_746, 1_530_396_672)
    counted = cost.multiply_adds + 2 * NORMALISED_VALUES + UPSAMPLED_VALUES
    assert round(counted / 1e9, 2) == 1.56


def test_the_released_kind_costs_what_the_docstring_says() -> None:
    """The text's decoder is half as wide as the code's."""
    cost = measure_cost(PConvLocalizer(), WINDOW)

    assert cost == NetworkCost(1_358_178, 953_155_584)


def test_checkpoints_of_the_released_localizer_still_fit() -> None:
    """Their names and shapes are a format: a released model must stay trainable."""
    widths = (32, 64, 128, 256)
    expected = {"fuse.weight": (2, 128, 1, 1, 1), "fuse.bias": (2,)}
    for level, (before, width, extent) in enumerate(
        zip((1, *widths), widths, (4, 2, 2, 2), strict=False)
    ):
        expected[f"reductions.{level}.0.weight"] = (width, before, extent, extent, extent)
        expected[f"compressions.{level}.weight"] = (32, width, 1, 1, 1)
        expected[f"compressions.{level}.bias"] = (32,)
        for name in ("0.bias", "1.weight", "1.bias"):
            expected[f"reductions.{level}.{name}"] = (width,)
        for block in (f"stages.{level}.0", f"stages.{level}.1"):
            expected[f"{block}.mix.convolution.weight"] = (width // 4, width // 4, 3, 3, 3)
            expected[f"{block}.expand.weight"] = (2 * width, width, 1, 1, 1)
            expected[f"{block}.norm.weight"] = expected[f"{block}.norm.bias"] = (2 * width,)
            expected[f"{block}.project.weight"] = (width, 2 * width, 1, 1, 1)
            expected[f"{block}.project.bias"] = (width,)

    state = PConvLocalizer().state_dict()

    assert {name: tuple(values.shape) for name, values in state.items()} == expected


def test_three_quarters_of_the_channels_pass_through() -> None:
    """That is what makes the convolution partial, and cheap."""
    torch.manual_seed(1)
    features = torch.randn(2, 8, 4, 4, 4)

    mixed = PartialConvolution(8)(features)

    assert torch.equal(mixed[:, 2:], features[:, 2:])
    assert not torch.isclose(mixed[:, :2], features[:, :2]).all(dim=(0, 2, 3, 4)).any()


@pytest.mark.parametrize("as_published", [False, True])
def test_the_answer_has_the_grid_of_the_scan(as_published: bool) -> None:
    """The scan is resized to a cube, but nothing in the network asks for one."""
    network = PConvLocalizer(as_published=as_published).eval()

    logits = network(torch.zeros(2, 1, 64, 32, 96))

    assert logits.shape == (2, 2, 64, 32, 96)


def test_the_gradient_reaches_every_parameter() -> None:
    """A parameter without a gradient is counted but never learns; doubles tell it from noise."""
    torch.manual_seed(2)
    network = PConvLocalizer(as_published=True).double().train()
    labels = torch.randint(0, 2, (1, 64, 64, 64))

    functional.cross_entropy(network(torch.randn(1, 1, 64, 64, 64).double()), labels).backward()

    assert [n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-9] == []


def test_only_the_biases_of_the_reductions_are_in_vain() -> None:
    """The released kind keeps them for its checkpoints; nothing else there may be dead."""
    torch.manual_seed(2)
    network = PConvLocalizer().double().train()
    labels = torch.randint(0, 2, (1, 64, 64, 64))

    functional.cross_entropy(network(torch.randn(1, 1, 64, 64, 64).double()), labels).backward()

    dead = [n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-9]
    assert dead == [f"reductions.{level}.0.bias" for level in range(4)]


@pytest.mark.parametrize("as_published", [False, True])
def test_it_learns_one_case_by_heart(as_published: bool) -> None:
    """One block in noise, found on a grid four times as coarse."""
    torch.manual_seed(3)
    labels = torch.zeros(1, 64, 64, 64, dtype=torch.long)
    labels[:, 16:48, 8:40, 12:48] = 1
    image = in_noise(labels, (0.0, 0.7))
    network = PConvLocalizer(as_published=as_published)

    answer = learn_by_heart(network, image, labels, rate=5e-3, steps=20)

    assert (answer == labels).float().mean() > 0.98


def test_the_exported_graph_answers_alike_for_any_batch() -> None:
    """An export is finished when its outputs have been compared."""
    pytest.importorskip("onnxscript", reason="needs the training extra")
    from tests.models.networks.exported_graph import export_graph, largest_differences

    torch.manual_seed(4)
    network = PConvLocalizer(as_published=True)

    graph = export_graph(network, torch.randn(2, 1, 64, 64, 64), {0: torch.export.Dim.AUTO})

    images = [torch.randn(count, 1, 64, 64, 64) for count in (1, 3)]
    assert max(largest_differences(network, graph, images)) < 1e-4
