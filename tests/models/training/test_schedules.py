"""The learning rate over a run."""

from __future__ import annotations

import pytest

from models.training.recipe_file import Schedule
from models.training.schedules import rate_factor


def test_a_cosine_falls_from_the_full_rate_to_the_lowest() -> None:
    """Half of the way down in the middle."""
    schedule = Schedule(kind="cosine", warm_up_steps=0, lowest=0.1)

    assert rate_factor(schedule, 0, 100) == pytest.approx(1.0)
    assert rate_factor(schedule, 50, 100) == pytest.approx(0.55)
    assert rate_factor(schedule, 100, 100) == pytest.approx(0.1)


def test_a_cycle_rises_and_falls_between_the_papers_rates() -> None:
    """OARFocalFuseNet, section III-A: between 0.0005 and 0.003."""
    schedule = Schedule(kind="cyclic", warm_up_steps=0, lowest=0.0005 / 0.003, cycle_steps=10)

    rates = [0.003 * rate_factor(schedule, step, 100) for step in range(21)]

    assert rates[0] == rates[10] == pytest.approx(0.0005)
    assert rates[5] == rates[15] == pytest.approx(0.003)
    assert max(rates) <= 0.003 + 1e-12
    assert rates[:5] == sorted(rates[:5])


def test_the_first_steps_are_warmed_up() -> None:
    """A rate that is right later throws away the first weights."""
    schedule = Schedule(kind="constant", warm_up_steps=4)

    assert [rate_factor(schedule, step, 100) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
