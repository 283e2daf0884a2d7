"""What a physicist compares by hand must be right itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.commission.expectations import find_expectation, find_solid_cm3
from contouring.phantom import HEAD_AND_NECK
from contouring.phantom_deviation import Truth
from contouring.phantom_scan import PATIENT_POSITIONS, Scan, even_offsets
from contouring.phantom_shapes import Separate, Shell, Sphere

SCAN = Scan(rows=64, columns=64, slice_offsets_mm=even_offsets(41, 2.5))


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_centre_and_volume_are_the_patients_in_any_position(position: str) -> None:
    """One table serves all positions, in the patient's own millimetres."""
    ball = Sphere((7.0, -3.0, 11.0), 12.0)

    found = find_expectation(Truth(ball, replace(SCAN, position=position)), find_solid_cm3(ball))

    assert found.centre_mm == pytest.approx((7.0, -3.0, 11.0), abs=0.05)
    assert found.solid_cm3 == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=2e-3)
    assert found.contoured_cm3 == pytest.approx(found.solid_cm3, rel=0.01)
    assert found.low_mm == (-5.0, -15.0, -1.0)
    assert found.high_mm == (19.0, 9.0, 23.0)


def test_a_hollow_counts_neither_for_volume_nor_for_centre() -> None:
    """A filled hollow must show in both."""
    shape = Separate((Shell((0.0, 0.0, 0.0), 15.0, 9.0), Sphere((30.0, 0.0, 0.0), 6.0)))
    shell, ball = 15.0**3 - 9.0**3, 6.0**3

    found = find_expectation(Truth(shape, SCAN), find_solid_cm3(shape))

    assert found.solid_cm3 == pytest.approx(4 / 3 * np.pi * (shell + ball) / 1000, rel=5e-3)
    assert found.centre_mm[0] == pytest.approx(30.0 * ball / (shell + ball), abs=0.1)


def test_no_two_structures_share_a_centre() -> None:
    """Else two of them could change names without anyone seeing it."""
    centres = np.array(
        [find_expectation(Truth(s.shape, Scan()), 0.0).centre_mm for s in HEAD_AND_NECK.structures]
    )

    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)

    assert apart[~np.eye(len(centres), dtype=bool)].min() > 5.0
