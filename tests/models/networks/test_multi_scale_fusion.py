"""3D-MSF's dense fusion: which features each layer of equation 7 receives."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from models.networks.multi_scale_fusion import RESIDUAL_SCALE, DenseFusion  # noqa: E402

WIDTHS = (4, 8, 16, 32)
GROWTHS = (2, 4, 8, 16)


def test_a_layer_receives_its_whole_stream_and_the_latest_of_the_others() -> None:
    """Equation 7's inputs: I_a,0 .. I_a,l-1, but of the scales b, c and d only layer l - 1."""
    fusion = DenseFusion(WIDTHS, fusion_layers=3)

    received = [
        [part.project.in_channels for part in layer.fuse.alignments]
        for layer in (step.layers[1] for step in fusion.steps)
    ]

    own, (first, _, third, fourth) = WIDTHS[1], GROWTHS
    assert received == [
        [own, WIDTHS[0], WIDTHS[2], WIDTHS[3]],
        [own, GROWTHS[1], first, third, fourth],
        [own, GROWTHS[1], GROWTHS[1], first, third, fourth],
    ]


def test_the_features_pass_through_a_silent_block() -> None:
    """The block adds to its input, as in MSRF-Net, so that depth cannot lose the fine detail."""
    fusion = DenseFusion(WIDTHS, fusion_layers=2)
    for layer in fusion.steps[-1].layers:
        torch.nn.init.zeros_(layer.depthwise.weight)
        torch.nn.init.ones_(layer.depthwise.bias)
    features = [torch.randn(1, width, *(3 * (16 >> n,))) for n, width in enumerate(WIDTHS)]

    fused = fusion(features)

    for before, after in zip(features, fused, strict=True):
        torch.testing.assert_close(after, before + RESIDUAL_SCALE)
