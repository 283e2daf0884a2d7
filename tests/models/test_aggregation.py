"""The loss over all combinations of scales: which ones, and how their weights adapt."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import Tensor  # noqa: E402 - torch may be missing outside CI

from models.training.aggregation import ScaleAggregation, combine_scales  # noqa: E402


def squared(logits: Tensor) -> Tensor:
    """A loss whose value for a sum is not the sum of its values."""
    return logits.square().mean()


def test_four_scales_have_fifteen_combinations() -> None:
    """Every non-empty subset once; the last is the answer that the network gives."""
    subsets = combine_scales(4)

    assert len(subsets) == len(set(subsets)) == 2**4 - 1
    assert subsets[:4] == ((0,), (1,), (2,), (3,))
    assert subsets[-1] == (0, 1, 2, 3)


def test_with_equal_weights_it_is_the_mean_over_the_sums_of_every_subset() -> None:
    """Predictions are added before the loss, not losses after it."""
    predictions = [torch.full((1, 2, 3), value) for value in (1.0, 2.0, 4.0)]

    loss = ScaleAggregation(scales=3, adaptive=False)(predictions, squared)

    # The sums are 1 to 7, each once.
    assert float(loss) == pytest.approx(sum(n * n for n in range(1, 8)) / 7)


def test_adaptive_weights_start_equal() -> None:
    """The first step is MERIT's; only a constant is added to the loss."""
    predictions = [torch.randn(2, 3, 4, requires_grad=True) for _ in range(4)]

    adaptive = ScaleAggregation()(predictions, squared)
    (gradient,) = torch.autograd.grad(adaptive, predictions[:1], retain_graph=True)
    equal = ScaleAggregation(adaptive=False)(predictions, squared)
    (expected,) = torch.autograd.grad(equal, predictions[:1])

    torch.testing.assert_close(gradient, expected)
    assert float((adaptive - equal).detach()) == pytest.approx(math.log(1.5), abs=1e-5)


def test_a_combination_that_does_not_fit_loses_weight() -> None:
    """Two scales of which one is far off; the learned weights must favour the one that fits."""
    aggregation = ScaleAggregation(scales=2)
    optimiser = torch.optim.Adam(aggregation.parameters(), 0.05)
    predictions = [torch.full((4,), 0.5), torch.full((4,), 3.0)]

    for _ in range(400):
        optimiser.zero_grad()
        aggregation(predictions, squared).backward()
        optimiser.step()

    good, bad, both = aggregation.weights.tolist()
    assert good > 1 > bad > both
    # At rest d/dvar (L / (2 var) + ln(1 + var)) is zero, so 2 var^2 = L (1 + var).
    variance = (9 + math.sqrt(9**2 + 8 * 9)) / 4
    assert bad == pytest.approx(1 / (2 * variance), rel=1e-2)


def test_sixteen_bits_are_added_in_thirty_two() -> None:
    """One next to 4096 is lost in float16, and with it what the finest scale says."""
    predictions = [torch.full((1,), 4096.0).half(), torch.ones(1).half()]
    seen: list[float] = []

    def record(logits: Tensor) -> Tensor:
        seen.append(float(logits))
        return logits.sum()

    ScaleAggregation(scales=2)(predictions, record)

    assert seen == [4096.0, 1.0, 4097.0]
