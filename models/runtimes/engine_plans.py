"""Which windows an engine is built for: one profile, from the least to the longest of a card.

A network with `longest_window` sees windows of many sizes (36 for hn-oar), halved ones where memory
is short, and smaller ones where the scan is. Static shapes would mean an engine, some minutes and
a copy of the weights for each, and a job that stops at the first one nobody thought of. So one
engine takes every window that can be asked for, tuned for the longest, where the time goes. A
graph of fixed size gets a static one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from contouring.fields import SLICES_AT_ONCE
from models.card import StageCard

Sides = tuple[int, int, int]


@dataclass(frozen=True)
class Profile:
    """Shapes (N, 1, z, y, x) of the input: the least, the one it is tuned for, and the largest."""

    least: tuple[int, ...]
    best: tuple[int, ...]
    largest: tuple[int, ...]

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether images (N, 1, z, y, x) of that shape can be shown."""
        sides = zip(self.least, shape, self.largest, strict=True)
        return all(least <= side <= largest for least, side, largest in sides)


@dataclass(frozen=True)
class EnginePlan:
    """Windows of `least_zyx` to `largest_zyx` voxels, 1 to `largest_batch` of them at once.

    `precision`: what the graph computes in. It is told and not asked for: the graph's own types
    decide, and float32 means float32, never TF32.
    """

    least_zyx: Sides
    largest_zyx: Sides
    largest_batch: int = 1
    precision: str = "float32"

    @classmethod
    def of(cls, stage: StageCard, precision: str = "float32") -> Self:
        """All that the data path may show this network; it shows slices several at a time."""
        z, y, x = (1 if side == 1 else stage.multiple_of for side in stage.window)
        return cls(
            (z, y, x),
            stage.longest_window or stage.window,
            SLICES_AT_ONCE if 1 in stage.window else 1,
            precision,
        )

    def fit(self, sides: Sequence[int | None]) -> Profile:
        """The profile of a graph whose input has these sides (N, 1, z, y, x), None where open."""
        least = (1, 1, *self.least_zyx)
        largest = (self.largest_batch, 1, *self.largest_zyx)
        return Profile(_held(least, sides), _held(largest, sides), _held(largest, sides))


def _held(wanted: Sequence[int], sides: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(
        open_side if side is None else side for open_side, side in zip(wanted, sides, strict=True)
    )
