"""Losses where labels are missing, or do not count."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn  # noqa: E402 - torch may be missing outside CI

from models.training.losses import (  # noqa: E402
    RecipeLoss,
    drawn_dice_loss,
    marginal_cross_entropy,
    region_loss,
)
from models.training.patches import Batch  # noqa: E402
from tests.models.phantom_recipes import phantom_recipe  # noqa: E402

CHANNELS = 4
RIGHT, LEFT = 2, 3


def test_marginal_cross_entropy_is_plain_where_everything_was_drawn() -> None:
    """With complete labels nothing is special."""
    logits = torch.randn(2, CHANNELS, 4, 4, 4, generator=torch.manual_seed(1))
    labels = torch.randint(0, CHANNELS, (2, 4, 4, 4), generator=torch.manual_seed(2))

    loss = marginal_cross_entropy(logits, labels, torch.ones(2, CHANNELS, dtype=torch.bool))

    assert torch.allclose(loss, nn.functional.cross_entropy(logits, labels))


def test_an_undrawn_structure_may_stand_in_the_background() -> None:
    """Predicting it where nothing is labelled must cost nothing; a drawn one must cost."""
    logits = torch.full((1, CHANNELS, 2, 2, 2), -20.0)
    logits[:, LEFT] = 20.0
    background = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    everything = torch.ones(1, CHANNELS, dtype=torch.bool)
    without_left = everything.clone()
    without_left[0, LEFT] = False

    assert float(marginal_cross_entropy(logits, background, without_left)) < 1e-3
    assert float(marginal_cross_entropy(logits, background, everything)) > 10


def test_dice_loss_leaves_out_what_was_not_drawn() -> None:
    """A perfect answer for the drawn structure is no loss, whatever is said of the others."""
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, :4] = RIGHT
    logits = torch.full((1, CHANNELS, 8, 8, 8), -30.0)
    logits[:, RIGHT, :4] = 30.0
    logits[:, LEFT, 4:] = 30.0
    only_right = torch.zeros(1, CHANNELS, dtype=torch.bool)
    only_right[0, [0, RIGHT]] = True

    assert float(drawn_dice_loss(logits, labels, only_right)) < 1e-3
    assert float(drawn_dice_loss(logits, labels, torch.ones_like(only_right))) > 0.1


def test_dice_is_learned_of_a_structure_that_one_case_of_the_batch_lacks() -> None:
    """The case without it must not pull it down, nor hide the other's fault."""
    labels = torch.zeros(2, 8, 8, 8, dtype=torch.long)
    labels[0, :4] = RIGHT
    logits = torch.zeros(2, CHANNELS, 8, 8, 8)
    logits[:, 0] = 30.0  # nothing found in either
    is_drawn = torch.zeros(2, CHANNELS, dtype=torch.bool)
    is_drawn[:, 0] = is_drawn[0, RIGHT] = True

    assert float(drawn_dice_loss(logits, labels, is_drawn)) > 0.99
    is_drawn[0, RIGHT] = False
    assert float(drawn_dice_loss(logits, labels, is_drawn)) == 0.0


def test_only_candidate_voxels_are_learned_from() -> None:
    """The second network of a cascade never sees the rest (Roth et al., section 2)."""
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.long)
    labels[:, :4] = RIGHT
    logits = torch.full((1, CHANNELS, 8, 8, 8), -30.0)
    logits[:, RIGHT] = 30.0  # right in the first half, wrong in the second
    everything = torch.ones(1, CHANNELS, dtype=torch.bool)
    everything[0, [1, LEFT]] = False
    first_half = torch.zeros(1, 8, 8, 8, dtype=torch.bool)
    first_half[:, :4] = True

    for loss in (drawn_dice_loss, marginal_cross_entropy):
        assert float(loss(logits, labels, everything, counts=first_half)) < 1e-3
        assert float(loss(logits, labels, everything)) > 0.3


def test_a_heavy_structure_costs_more() -> None:
    """Weights of voxels are for structures that would not be learned otherwise."""
    labels = torch.full((1, 2, 2, 2), LEFT)
    logits = torch.zeros(1, CHANNELS, 2, 2, 2)
    everything = torch.ones(1, CHANNELS, dtype=torch.bool)
    weights = torch.tensor([1.0, 1.0, 1.0, 10.0])

    plain = marginal_cross_entropy(logits, labels, everything)
    heavy = marginal_cross_entropy(logits, labels, everything, weights)

    assert float(heavy) == pytest.approx(10 * float(plain))


def test_the_localizer_is_not_blamed_near_an_incomplete_drawing() -> None:
    """Foreground next to the drawn structures may be one that was not drawn."""
    labels = torch.zeros(1, 16, 16, 16, dtype=torch.long)
    labels[:, 6:10, 6:10, 6:10] = 1
    margin = torch.full((16, 16, 16), -30.0)
    margin[4:12, 4:12, 4:12] = 30.0  # two voxels more than was drawn
    logits = torch.stack([-margin, margin])[None] / 2
    complete = torch.ones(1, CHANNELS, dtype=torch.bool)
    incomplete = complete.clone()
    incomplete[0, LEFT] = False

    lenient = float(region_loss(logits, labels, incomplete, growth=0, reach=3))
    strict = float(region_loss(logits, labels, complete, growth=0, reach=3))

    assert lenient < 1e-3 < 0.5 < strict


def test_aggregation_asks_a_network_for_its_scales() -> None:
    """All of them are learned from, and the weights of their combinations with them."""
    labels = torch.zeros(1, 1, 8, 8, dtype=torch.long)
    batch = Batch(
        torch.zeros(1, 1, 1, 8, 8),
        labels,
        torch.ones(1, CHANNELS, dtype=torch.bool),
        torch.ones(1, 1, 8, 8, dtype=torch.bool),
    )
    network = _FourScales()
    loss = RecipeLoss(phantom_recipe(loss={"kind": "aggregation"}))

    loss(loss.predict(network, batch.image), batch).backward()

    assert all(bool((scale.grad != 0).any()) for scale in network.scales)
    assert any(parameter.grad is not None for parameter in loss.parameters())


class _FourScales(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ParameterList(torch.zeros(CHANNELS) for _ in range(4))

    def predict_scales(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The same logits everywhere."""
        return tuple(s[None, :, None, None, None] + 0 * image for s in self.scales)
