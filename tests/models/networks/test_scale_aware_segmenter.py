"""Lyu's phase 2 network: the size that the paper states, and that it learns and exports."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch.nn import functional  # noqa: E402 - torch may be missing outside CI

from models.networks.cost import measure_cost  # noqa: E402
from models.networks.metaformer_block import (  # noqa: E402
    MetaformerBlock,
    ScaleAwareModulator,
    SelfAttention,
)
from models.networks.scale_aware_segmenter import ScaleAwareSegmenter  # noqa: E402
from tests.models.networks.one_case import in_noise, learn_by_heart  # noqa: E402

PUBLISHED_OUTPUTS = 15  # thirteen organs, the tumour and the background
PUBLISHED_PARAMETERS = 35.84e6  # Lyu et al., table 2
WINDOW = (96, 96, 96)
SMALL = {"widths": (6, 12, 24, 48), "blocks": (1, 1, 2, 1)}


def test_the_published_network_has_its_published_size() -> None:
    """Table 2 states the parameters; the multiply-adds are ours, and docs quote them."""
    cost = measure_cost(ScaleAwareSegmenter(PUBLISHED_OUTPUTS), WINDOW)

    assert cost.parameters == 35_838_885
    assert cost.parameters == pytest.approx(PUBLISHED_PARAMETERS, abs=0.005e6)
    assert cost.multiply_adds == pytest.approx(141.16e9, rel=1e-3)


def test_modulation_gives_way_to_attention() -> None:
    """Modulation in stages 1 and 2, both in turn in stage 3, attention alone in stage 4."""
    with torch.device("meta"):
        network = ScaleAwareSegmenter(PUBLISHED_OUTPUTS)

    mixers = [
        [type(block.mixer) for block in stage if isinstance(block, MetaformerBlock)]
        for stage in network.stages
    ]

    assert mixers[:2] == [[ScaleAwareModulator] * 2, [ScaleAwareModulator] * 4]
    assert mixers[2:] == [[ScaleAwareModulator, SelfAttention] * 3, [SelfAttention] * 2]


@pytest.mark.parametrize("shape", [(32, 32, 32), (16, 48, 32)])
def test_the_answer_has_the_grid_of_the_window(shape: tuple[int, int, int]) -> None:
    """Any window whose axes are multiples of 16 will do."""
    network = ScaleAwareSegmenter(3, **SMALL).eval()

    logits = network(torch.zeros(2, 1, *shape))

    assert logits.shape == (2, 3, *shape)


def test_windows_of_a_batch_know_nothing_of_each_other() -> None:
    """Instance statistics: serving may batch as it likes."""
    torch.manual_seed(1)
    network = ScaleAwareSegmenter(3, **SMALL).eval()
    windows = torch.randn(2, 1, 32, 32, 32)

    with torch.no_grad():
        together = network(windows)
        alone = network(windows[1:])

    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)


def test_the_gradient_reaches_every_parameter() -> None:
    """A parameter without a gradient is counted but never learns; doubles tell it from noise."""
    torch.manual_seed(2)
    network = ScaleAwareSegmenter(3, **SMALL).double().train()
    labels = torch.randint(0, 3, (1, 32, 32, 32))

    functional.cross_entropy(network(torch.randn(1, 1, 32, 32, 32).double()), labels).backward()

    assert [n for n, p in network.named_parameters() if p.grad.abs().max() < 1e-9] == []


def test_it_learns_one_case_by_heart() -> None:
    """Two blocks in noise, as different from each other as from what surrounds them."""
    torch.manual_seed(3)
    labels = torch.zeros(1, 32, 32, 32, dtype=torch.long)
    labels[:, 6:24, 4:16, 6:26] = 1
    labels[:, 12:28, 18:28, 8:24] = 2
    image = in_noise(labels, (0.0, 0.7, 1.4))

    answer = learn_by_heart(ScaleAwareSegmenter(3, **SMALL), image, labels, rate=6e-3, steps=50)

    assert (answer == labels).float().mean() > 0.98


def test_the_exported_graph_answers_alike_for_any_batch() -> None:
    """Its window is fixed, for its statistics are the window's; how many run at once is not."""
    pytest.importorskip("onnxscript", reason="needs the training extra")
    from tests.models.networks.exported_graph import export_graph, largest_differences

    torch.manual_seed(4)
    network = ScaleAwareSegmenter(3, **SMALL)

    graph = export_graph(network, torch.randn(2, 1, 32, 32, 32), {0: torch.export.Dim.AUTO})

    images = [torch.randn(count, 1, 32, 32, 32) for count in (1, 3)]
    assert max(largest_differences(network, graph, images)) < 1e-4
