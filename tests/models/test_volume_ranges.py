"""The volumes that the model's card expects, against the training cases they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundles import RELEASED, read_bundle
from models.training.cases import STRUCTURES
from models.training.volume_ranges import read_volumes_cm3, volume_ranges_cm3


def test_a_range_holds_what_is_usual_and_a_quarter_more() -> None:
    """One label of a hundred may be odd without stretching it."""
    volumes = [*np.linspace(20.0, 40.0, 99), 900.0]

    (low, high) = volume_ranges_cm3({"Organ": volumes})["Organ"]

    assert low == 16.0  # 20.5 / 1.25, rounded down to two digits
    assert high == 50.0  # 39.7 * 1.25, rounded up


@pytest.mark.parametrize(
    ("volume", "expected"), [(1.0, (0.8, 1.3)), (101.0, (80.0, 130.0)), (0.234, (0.18, 0.3))]
)
def test_ranges_are_rounded_outwards_to_two_digits(
    volume: float, expected: tuple[float, float]
) -> None:
    """More digits would pretend to more than 100 cases can tell."""
    assert volume_ranges_cm3({"Organ": [volume]})["Organ"] == pytest.approx(expected)


def test_the_card_says_what_the_training_cases_say(openkbp: Path) -> None:
    """Each range by the rule, and few of the labels it was made of outside."""
    volumes = read_volumes_cm3(openkbp)
    ranges = volume_ranges_cm3(volumes)

    card = read_bundle(RELEASED / "hn-oar").card
    assert {found.name: found.volume_range_cm3 for found in card.structures} == ranges
    assert set(ranges) == set(STRUCTURES)
    for name, (low, high) in ranges.items():
        outside = [volume for volume in volumes[name] if not low <= volume <= high]
        assert len(outside) <= 0.04 * len(volumes[name])
