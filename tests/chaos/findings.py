"""What a trial found, beside what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Finding:
    """`goal`: where `measured` must lie, in words; `is_time`: told, but no test fails by it."""

    what: str
    measured: str
    goal: str
    holds: bool
    is_time: bool = False


@dataclass(frozen=True)
class Scale:
    """How much of a trial is run: a little in every test run, all of it by `make chaos`."""

    is_long: bool
    seed: int

    def pick(self, short: int, long: int) -> int:
        """How many of something."""
        return long if self.is_long else short

    def dice(self) -> Random:
        """Chance that falls the same way each time."""
        return Random(self.seed)


def count_all(what: str, found: int, wanted: int) -> Finding:
    """Every one of them, and no more."""
    return Finding(what, f"{found} of {wanted}", str(wanted), found == wanted)


def count_none(what: str, found: Sequence[object]) -> Finding:
    """None of these; the first few are named."""
    named = "; ".join(str(one) for one in found[:3])
    return Finding(what, f"{len(found)} ({named})" if found else "0", "0", not found)


def time_within(what: str, seconds: Sequence[float], percent: int, goal_seconds: float) -> Finding:
    """The time below which `percent` of them lie."""
    reached = find_percentile(seconds, percent)
    name = "longest" if percent == 100 else f"p{percent}"
    return Finding(
        what,
        f"{name} {show_seconds(reached)} ({len(seconds)} times)",
        f"{name} at most {show_seconds(goal_seconds)}",
        reached <= goal_seconds,
        is_time=True,
    )


def find_percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * percent // 100) - 1)]


def show_seconds(seconds: float) -> str:
    """In milliseconds where that is what one would say."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1.0 else f"{seconds:.1f} s"
