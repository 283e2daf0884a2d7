"""The channel-wise cross-fusion transformer against its equations, and on slices of any size."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor  # noqa: E402 - torch may be missing outside CI

from models.networks.cross_fusion import (  # noqa: E402
    ChannelAttention,
    ChannelEmbedding,
    CrossFusion,
)

WIDTHS = (4, 8, 16, 32)


def made_skips(height: int, width: int) -> list[Tensor]:
    """Random features of four levels, finest first."""
    return [
        torch.randn(2, channels, height >> level, width >> level)
        for level, channels in enumerate(WIDTHS)
    ]


def test_attention_is_that_of_the_equations() -> None:
    """Head by head as the paper has it: softmax(psi(Q^T K / sqrt(C))) V^T, averaged."""
    torch.manual_seed(1)
    attention = ChannelAttention((3, 5), heads=2, dropout=0.0).eval()
    levels = [torch.randn(1, 9, 3), torch.randn(1, 9, 5)]
    joined = torch.cat(levels, dim=2)

    answers = attention(levels, joined)

    for index, (width, tokens) in enumerate(zip((3, 5), levels, strict=True)):
        contexts = []
        for head in range(2):
            query = tokens[0] @ attention.queries[index].weight[head * width :][:width].T
            key = joined[0] @ attention.key.weight[head * 8 :][:8].T
            value = joined[0] @ attention.value.weight[head * 8 :][:8].T
            similarity = query.T @ key / 8**0.5
            deviation = (similarity.var(correction=0) + 1e-5).sqrt()
            normed = (similarity - similarity.mean()) / deviation
            contexts.append(torch.softmax(normed, dim=1) @ value.T)
        expected = (contexts[0] + contexts[1]).T / 2 @ attention.outputs[index].weight.T
        torch.testing.assert_close(answers[index][0], expected)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 80)])
def test_skips_keep_their_shapes(height: int, width: int) -> None:
    """A slice need not be square, nor of the published size."""
    skips = made_skips(height, width)

    fused = CrossFusion(WIDTHS, layers=1, heads=2, dropout=0.0)(skips)

    assert [skip.shape for skip in fused] == [skip.shape for skip in skips]


@pytest.mark.parametrize("changed", range(4))
def test_every_level_is_heard_by_all(changed: int) -> None:
    """That is what the transformer is for: a U-Net's skip connections never meet."""
    torch.manual_seed(2)
    fusion = CrossFusion(WIDTHS, layers=1, heads=2, dropout=0.0).eval()
    skips = made_skips(32, 32)
    others = list(skips)
    others[changed] = torch.randn_like(skips[changed])

    with torch.no_grad():
        before, after = fusion(skips), fusion(others)

    assert all((a - b).abs().max() > 1e-6 for a, b in zip(before, after, strict=True))


def test_positions_are_read_as_learned_at_the_published_size() -> None:
    """Only slices of another size are read between the learned positions."""
    embedding = ChannelEmbedding(4, patch=16, dropout=0.0)
    torch.nn.init.zeros_(embedding.patches.weight)
    torch.nn.init.zeros_(embedding.patches.bias)
    torch.nn.init.normal_(embedding.positions)

    tokens = embedding(torch.randn(1, 4, 224, 224))

    torch.testing.assert_close(tokens, embedding.positions.flatten(2).transpose(1, 2))


def test_sixteen_bits_around_it_hardly_change_the_answer() -> None:
    """Its normalisation and softmax stay in float32 under autocast."""
    torch.manual_seed(3)
    fusion = CrossFusion(WIDTHS, layers=2, heads=2, dropout=0.0).eval()
    skips = made_skips(32, 32)

    with torch.no_grad():
        exact = fusion(skips)
        with torch.autocast("cpu", torch.bfloat16):
            rough = fusion(skips)

    assert max(float((a - b).abs().max()) for a, b in zip(exact, rough, strict=True)) < 0.05
