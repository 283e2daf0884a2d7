"""MCFNet: the public facts of its architecture, and that it learns and exports."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI
from torch.nn import functional  # noqa: E402

from models.networks.cost import measure_cost  # noqa: E402
from models.networks.flexible_connection import ChannelWeighing, FlexibleConnection  # noqa: E402
from models.networks.mcfnet import MCFNet  # noqa: E402
from models.networks.sharp_extraction import SqueezeExcitation  # noqa: E402
from models.training.aggregation import ScaleAggregation  # noqa: E402

SMALL = {"width": 8, "layers": 1, "heads": 2}
SMALL_WIDTHS = (8, 16, 32, 64, 64)


def recorded_inputs(module: nn.Module) -> list[tuple[Tensor, ...]]:
    """The arguments of every call of `module` from now on."""
    calls: list[tuple[Tensor, ...]] = []
    module.register_forward_pre_hook(lambda _module, arguments: calls.append(arguments))
    return calls


def test_a_published_slice_costs_what_the_docstring_says() -> None:
    """Nobody published a count: these are ours, and docs quote them."""
    with torch.device("meta"):
        network = MCFNet(8)

    cost = measure_cost(network, (1, 256, 256))

    assert cost.parameters == 79_896_321
    assert cost.multiply_adds == pytest.approx(68.69e9, rel=1e-3)


@pytest.mark.parametrize(("extent", "seen"), [(256, 224), (64, 48), (96, 80), (32, 16)])
def test_the_second_backbone_sees_seven_eighths(extent: int, seen: int) -> None:
    """256 and 224 are public; other slices keep the ratio as far as four poolings allow."""
    with torch.device("meta"):
        network = MCFNet(3, **SMALL).eval()
        calls = recorded_inputs(network.flexible)

        logits = network(torch.empty(2, 1, 1, extent, 64))

    assert logits.shape == (2, 3, 1, extent, 64)
    assert calls[0][0].shape == (2, 1, seen, 48)


def test_slices_know_nothing_of_each_other() -> None:
    """It is a 2D network: a volume is answered as its slices are."""
    torch.manual_seed(1)
    network = MCFNet(3, **SMALL).eval()
    volumes = torch.randn(2, 1, 3, 64, 32)

    with torch.no_grad():
        together = network(volumes)
        alone = network(volumes[1:, :, 2:])

    torch.testing.assert_close(together[1:, :, 2:], alone, atol=1e-5, rtol=1e-4)


def test_the_answer_is_the_weighted_sum_of_four_scales() -> None:
    """Pred = u p1 + v p2 + w p3 + x p4; the loss must see the same terms."""
    torch.manual_seed(2)
    plain = MCFNet(3, **SMALL).eval()
    weighted = MCFNet(3, **SMALL, scale_weights=(0.1, 0.2, 0.3, 0.4)).eval()
    weighted.load_state_dict(plain.state_dict())
    image = torch.randn(1, 1, 1, 64, 64)

    with torch.no_grad():
        scales = plain.predict_scales(image)
        answer = weighted(image)

    expected = sum(w * p for w, p in zip((0.1, 0.2, 0.3, 0.4), scales, strict=True))
    torch.testing.assert_close(answer, expected)


def test_both_backbones_answer_through_the_same_heads() -> None:
    """Each head is asked twice a slice, once for each backbone."""
    network = MCFNet(3, **SMALL).eval()
    calls = [recorded_inputs(head) for head in network.heads]

    network(torch.zeros(1, 1, 1, 64, 64))

    extents = [[arguments[0].shape[2] for arguments in asked] for asked in calls]
    assert extents == [[8, 6], [16, 12], [32, 24], [64, 48]]


def test_the_first_backbone_gates_the_image_of_the_second() -> None:
    """Where its map is zero the second backbone must see nothing of the image."""
    network = MCFNet(3, **SMALL).eval()
    nn.init.zeros_(network.gate.weight)
    nn.init.constant_(network.gate.bias, -50)
    calls = recorded_inputs(network.flexible)

    network(torch.randn(1, 1, 1, 64, 64))

    assert calls[0][0].abs().max() < 1e-6


def test_every_feature_of_the_first_backbone_reaches_the_second() -> None:
    """Its decoder hears all five levels of the other encoder, also on an empty image."""
    torch.manual_seed(3)
    backbone = FlexibleConnection(SMALL_WIDTHS, layers=1, heads=2, dropout=0.0).eval()
    seen = [
        torch.randn(1, width, 64 >> level, 64 >> level, requires_grad=True)
        for level, width in enumerate(SMALL_WIDTHS)
    ]

    backbone(torch.zeros(1, 1, 48, 48), seen)[-1].sum().backward()

    assert all(features.grad is not None and features.grad.abs().max() > 0 for features in seen)


def test_excitation_scales_each_channel_by_what_was_squeezed_from_all() -> None:
    """Hu et al. 2018, equations 2-4, with the pooling and the sigmoid written out."""
    torch.manual_seed(4)
    block = SqueezeExcitation(32)
    features = torch.randn(2, 32, 5, 7)

    excited = block(features)

    hidden = features.flatten(2).mean(dim=2) @ block.squeeze.weight.T + block.squeeze.bias
    weights = torch.sigmoid(hidden.clamp(min=0) @ block.excite.weight.T + block.excite.bias)
    torch.testing.assert_close(excited, torch.einsum("ncyx,nc->ncyx", features, weights))


def test_a_silent_decoder_and_skip_are_weighed_by_half() -> None:
    """The sigmoid of what both say; nothing said is one half, and ReLU takes what is negative."""
    weighing = ChannelWeighing(4)
    for layer in (weighing.from_above, weighing.from_skip):
        nn.init.zeros_(layer.bias)
        nn.init.zeros_(layer.weight)
    skip = torch.tensor([1.0, -1.0, 2.0, 0.0]).reshape(1, 4, 1, 1).expand(1, 4, 2, 2)

    weighed = weighing(torch.zeros_like(skip), skip)

    assert weighed[0, :, 0, 0].tolist() == [0.5, 0.0, 1.0, 0.0]


def test_the_gradient_reaches_every_parameter() -> None:
    """A parameter without a gradient is counted but never learns; doubles tell it from noise."""
    torch.manual_seed(5)
    network = MCFNet(3, **SMALL).double().train()
    labels = torch.randint(0, 3, (2, 2, 64, 64))

    functional.cross_entropy(network(torch.randn(2, 1, 2, 64, 64).double()), labels).backward()

    assert [n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-9] == []


def test_it_learns_one_case_by_heart_under_its_own_loss() -> None:
    """Two blocks in noise; the loss is the aggregation, whose weights are learned alongside."""
    torch.manual_seed(6)
    labels = torch.zeros(1, 2, 64, 64, dtype=torch.long)
    labels[:, :, 10:30, 8:24] = 1
    labels[:, 1, 36:60, 30:50] = 2
    image = 0.7 * labels[:, None] + 0.3 * torch.randn(1, 1, 2, 64, 64)
    network, aggregation = MCFNet(3, **SMALL).train(), ScaleAggregation()
    optimiser = torch.optim.AdamW([*network.parameters(), *aggregation.parameters()], 5e-3)

    for _ in range(60):
        optimiser.zero_grad()
        scales = network.predict_scales(image)
        aggregation(scales, lambda logits: functional.cross_entropy(logits, labels)).backward()
        optimiser.step()
    with torch.no_grad():
        answer = network.eval()(image).argmax(dim=1)

    assert (answer == labels).float().mean() > 0.98


def test_the_exported_graph_answers_alike_for_any_number_of_slices() -> None:
    """Serving sends several one-slice windows at once."""
    pytest.importorskip("onnxscript", reason="needs the training extra")
    from models.export.onnx_export import export_network
    from tests.models.networks.exported_graph import largest_differences

    torch.manual_seed(7)
    network = MCFNet(3, **SMALL)
    network(torch.randn(4, 1, 1, 64, 64))

    model = export_network(network, torch.randn(1, 1, 1, 64, 64))

    images = [torch.randn(batch, 1, 1, 64, 64) for batch in (1, 3)]
    assert max(largest_differences(network, model.SerializeToString(), images)) < 1e-4
