"""How a cascade spares memory: smaller windows, or the CPU's memory in place of the GPU's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contouring.recipe import Stage

Window = tuple[int, int, int]


@dataclass(frozen=True)
class Economy:
    """`halvings`: how often a window is cut in half across its longest side."""

    halvings: int = 0
    on_cpu: bool = False


# What is tried, in this order, when there is not memory enough.
ECONOMIES = (Economy(), Economy(1), Economy(2), Economy(on_cpu=True))


def shrink_stage(stage: Stage, halvings: int) -> Stage:
    """The stage with smaller windows, for a network that takes windows of any size."""
    window = stage.window_zyx
    for _ in range(halvings):
        window = _halve(window, stage.multiple_of)
    return replace(stage, window_zyx=window, longest_zyx=None if halvings else stage.longest_zyx)


def _halve(window: Window, multiple_of: int) -> Window:
    """Half of the longest side, rounded up to what the network can take."""
    longest = window.index(max(window))
    half = -(-window[longest] // (2 * multiple_of)) * multiple_of
    z, y, x = (half if axis == longest else side for axis, side in enumerate(window))
    return z, y, x
