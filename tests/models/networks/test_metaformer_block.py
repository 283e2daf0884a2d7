"""Modulation and attention against their equations, one voxel and one channel at a time."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor, nn  # noqa: E402 - torch may be missing outside CI
from torch.nn import functional  # noqa: E402

from models.networks.metaformer_block import (  # noqa: E402
    ChannelNorm,
    FeedForward,
    MetaformerBlock,
    ScaleAwareModulator,
    SelfAttention,
)


def made_features(width: int) -> Tensor:
    """Two windows of random features, with three different extents."""
    return torch.randn(2, width, 4, 5, 6)


def pointwise(layer: nn.Conv3d, features: Tensor) -> Tensor:
    """The same layer as a product of matrices, for one group."""
    mixed = torch.einsum("oi,bizyx->bozyx", layer.weight[:, :, 0, 0, 0], features)
    return mixed if layer.bias is None else mixed + layer.bias[:, None, None, None]


def test_the_modulator_is_equation_1() -> None:
    """Group i of the aggregation sees the i-th channel of every head, and of no other."""
    torch.manual_seed(1)
    modulator = ScaleAwareModulator(6).double()
    features = made_features(6).double()
    grouped, _, _, last = modulator.aggregate

    answer = modulator(features)

    spread = pointwise(modulator.spread, features)
    groups = []
    for i in range(2):  # C / M channels of each head
        mixed = [
            functional.conv3d(spread[:, 2 * j + i, None], head.weight[i, None], padding=k // 2)
            for j, (k, head) in enumerate(zip((3, 5, 7), modulator.mixed, strict=True))
        ]
        # Rows 6 i .. 6 i + 5 of the grouped layer: three channels in, six out.
        weights = grouped.weight[6 * i : 6 * i + 6, :, 0, 0, 0]
        group = torch.einsum("om,bmzyx->bozyx", weights, torch.cat(mixed, dim=1))
        deviation = (group.var((2, 3, 4), correction=0, keepdim=True) + 1e-5).sqrt()
        groups.append((group - group.mean((2, 3, 4), keepdim=True)) / deviation)
    modulation = pointwise(last, functional.gelu(torch.cat(groups, dim=1)))
    weighed = modulation * pointwise(modulator.value, features)
    torch.testing.assert_close(answer, pointwise(modulator.project, weighed))


def test_attention_is_softmax_of_queries_and_keys() -> None:
    """Each head for itself; what the depthwise convolution sees of the values is added."""
    torch.manual_seed(2)
    attention = SelfAttention(6, heads=2).double()
    features = made_features(6).double()

    answer = attention(features)

    values = pointwise(attention.value, features)
    query = pointwise(attention.query, features).flatten(2)
    key = pointwise(attention.key, features).flatten(2)
    heads = []
    for rows in (slice(0, 3), slice(3, 6)):
        similarity = query[:, rows].transpose(1, 2) @ key[:, rows] / 3**0.5
        heads.append(values.flatten(2)[:, rows] @ torch.softmax(similarity, 2).transpose(1, 2))
    context = torch.cat(heads, dim=1).view_as(values) + attention.place(values)
    torch.testing.assert_close(answer, pointwise(attention.project, context))


def test_attention_hears_the_far_corner_and_feed_forward_only_neighbours() -> None:
    """Why the deeper stages have it: depthwise kernels reach one voxel further at a time."""
    torch.manual_seed(3)
    features = torch.randn(1, 6, 12, 12, 12)
    changed = features.clone()
    changed[..., -1] = torch.randn_like(changed[..., -1])
    attention, feed_forward = SelfAttention(6, heads=2), FeedForward(6)

    with torch.no_grad():
        attended = (attention(changed) - attention(features)).abs().amax(dim=(0, 1, 2, 3))
        fed = (feed_forward(changed) - feed_forward(features)).abs().amax(dim=(0, 1, 2, 3))

    assert attended[0] > 1e-5
    assert fed[:10].max() == 0
    assert fed[10] > 1e-5


def test_every_voxel_is_normalised_over_its_channels() -> None:
    """The mean of each voxel's channels is zero, whatever stands beside it."""
    features = 5 + 3 * made_features(8)

    normed = ChannelNorm(8)(features)

    assert normed.shape == features.shape
    torch.testing.assert_close(normed.mean(dim=1), torch.zeros(2, 4, 5, 6), atol=1e-5, rtol=0)
    torch.testing.assert_close(normed.var(dim=1, correction=0), torch.ones(2, 4, 5, 6))


@pytest.mark.parametrize("mixer", [ScaleAwareModulator(6), SelfAttention(6, 2)])
def test_sixteen_bits_around_it_hardly_change_the_answer(mixer: nn.Module) -> None:
    """Normalisation and softmax stay in float32 under autocast."""
    torch.manual_seed(4)
    block = MetaformerBlock(6, mixer).eval()
    features = made_features(6)

    with torch.no_grad():
        exact = block(features)
        with torch.autocast("cpu", torch.bfloat16):
            rough = block(features)

    assert float((exact - rough).abs().max()) < 0.05
