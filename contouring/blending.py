"""Answers of overlapping windows, blended as they come, from the first plane of a lattice to its
last.

Only as many planes are held as one window is deep: those that no later window reaches are settled
and handed on. Logits of all channels thus never exist for a whole scan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.windows import Window, blending_weights

# Of structures where no window was shown to the network: as sure as networks are of background.
UNSEEN_LOGIT = -10.0
LEAST_PLANES = 16  # held at least, so that windows of one slice are not handed on one by one
THREADS = 2
BLOCK_VOXELS = 2**16  # weighted at a time: small enough for a processor's second cache


@dataclass(frozen=True, eq=False)
class Slab:
    """`logits`: (channels, planes, y, x) float32 of the planes from `first` on.

    Theirs until the next slab is asked for.
    """

    first: int
    logits: NDArray[np.float32]

    @property
    def end(self) -> int:
        """The plane after its last."""
        return self.first + len(self.logits[0])


class Blend:
    """The weighted sum of windows' answers on the planes that windows still reach."""

    def __init__(
        self, channels: int, shape_yx: tuple[int, int], window_zyx: tuple[int, int, int]
    ) -> None:
        self._weights = blending_weights(window_zyx)
        planes = max(window_zyx[0], LEAST_PLANES)
        self._first = 0
        self._total = np.zeros((planes, *shape_yx), np.float32)
        self._logits = np.zeros((channels, planes, *shape_yx), np.float32)

    def has_room_for(self, part: Window) -> bool:
        """Whether all its planes are among those that are held."""
        return bool(part[0].stop <= self._first + len(self._total))

    def add(self, window: Window, part: Window, answer: NDArray[np.float32]) -> None:
        """Add of the logits (channels, z, y, x) of a window those in a part of it.

        The part starts at no settled plane.
        """
        inside = _counted_from(window, part)
        z = slice(part[0].start - self._first, part[0].stop - self._first)
        place = (z, *part[1:])
        weights = self._weights[inside]
        self._total[place] += weights

        def add_channel(channel: int) -> None:
            _add_weighted(self._logits[channel][place], answer[channel][inside], weights)

        _for_each(add_channel, len(answer))

    def settle(self, before: int) -> Iterator[Slab]:
        """The planes held before one, and room for as many; nothing if there are none."""
        count = min(before - self._first, len(self._total))
        if count > 0:
            self._divide(count)
            yield Slab(self._first, self._logits[:, :count])
            for held in (self._total, *self._logits):
                held[:-count] = held[count:]
                held[-count:] = 0
        self._first = before

    def _divide(self, count: int) -> None:
        total = self._total[:count]
        unseen = total == 0
        total[unseen] = 1

        def divide(channel: int) -> None:
            logits = self._logits[channel, :count]
            for plane, weights in zip(logits, total, strict=True):
                plane /= weights
            if channel:
                logits[unseen] = UNSEEN_LOGIT

        _for_each(divide, len(self._logits))


def _counted_from(window: Window, part: Window) -> Window:
    z, y, x = (
        slice(inner.start - outer.start, inner.stop - outer.start)
        for outer, inner in zip(window, part, strict=True)
    )
    return z, y, x


def _for_each(work: Callable[[int], None], channels: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(channels)))


def _add_weighted(
    total: NDArray[np.float32], answer: NDArray[np.float32], weights: NDArray[np.float32]
) -> None:
    """Add to `total`, in place, the answer times the weights, all (z, y, x)."""
    step = max(1, BLOCK_VOXELS // weights[0].size)
    weighted = np.empty((step, *weights.shape[1:]), np.float32)
    for start in range(0, len(weights), step):
        planes = slice(start, start + step)
        block = weighted[: len(weights[planes])]
        np.multiply(answer[planes], weights[planes], out=block)
        total[planes] += block
