"""Margins of structures: how far each one's logit leads all others, in a box around it.

The logits come slab by slab; of each slab only the margins of the structures near it are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.blending import THREADS, UNSEEN_LOGIT, Slab

Box = tuple[slice, slice, slice]
BOX_MARGIN = 2  # lattice steps around a structure, so that its zero surface lies inside the box
# Samples beyond a structure at which its margin is kept. Cubic interpolation takes two on either
# side of a border; derived structures interpolate what is interpolated once more.
REACH = 4


@dataclass(frozen=True, eq=False)
class Margin:
    """A structure's logit less the largest of all others: (z, y, x) float32, positive inside.

    In the `box` around it; `UNSEEN_LOGIT` at most places further than `REACH` samples outside.
    """

    box: Box
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Per voxel (z, y, x): the channel with the largest logit, that logit and the next largest."""

    winner: NDArray[np.uint8]
    best: NDArray[np.float32]
    second: NDArray[np.float32]


def collect_margins(slabs: Iterable[Slab], shape_zyx: tuple[int, int, int]) -> Mapping[int, Margin]:
    """The margin of every channel that has the largest logit anywhere, by its number.

    `slabs`: of a lattice of that shape, in the order of their planes; others are background.
    """
    winner = np.zeros(shape_zyx, np.uint8)
    pieces: dict[int, list[Margin]] = defaultdict(list)
    waiting: list[_RankedSlab] = []
    for slab in slabs:
        whole = _RankedSlab(slab, rank_channels(slab.logits))
        winner[slab.first : slab.end] = whole.ranking.winner
        # Which structures are near is known of planes with `REACH` planes after them.
        known = slab.end - REACH
        ready = [one for one in waiting if one.slab.end <= known]
        waiting = [one for one in waiting if one.slab.end > known]
        cut = max(known - slab.first, 0)
        for one in (*ready, whole.part(slice(0, cut))):
            _keep_near(one, winner, pieces)
        waiting.append(whole.part(slice(cut, slab.end - slab.first)).copy())
    for one in waiting:
        _keep_near(one, winner, pieces)
    return {
        channel: _joined(pieces.pop(channel), _grown(box, shape_zyx))
        for channel, box in enumerate(ndimage.find_objects(winner), start=1)
        if box is not None
    }


def rank_channels(logits: NDArray[np.float32]) -> Ranking:
    """In one pass; of equals the first channel wins.

    `logits`: (channels, z, y, x), background first.
    """
    best = logits[0].copy()
    second = np.full_like(best, -np.inf)
    winner = np.zeros(best.shape, np.uint8)

    def rank_plane(z: int) -> None:
        _rank_plane(logits[:, z], winner[z], best[z], second[z])

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(rank_plane, range(len(best))))
    return Ranking(winner, best, second)


def _rank_plane(
    logits: NDArray[np.float32],
    winner: NDArray[np.uint8],
    best: NDArray[np.float32],
    second: NDArray[np.float32],
) -> None:
    """`logits`: (channels, y, x); the others, (y, x), are filled: they stay in a CPU's cache."""
    smaller = np.empty_like(best)
    is_larger = np.empty(best.shape, bool)
    for channel in range(1, len(logits)):
        logit = logits[channel]
        # Most structures are nowhere near most planes.
        if np.greater(logit, second, out=is_larger).any():
            np.minimum(best, logit, out=smaller)
            np.maximum(second, smaller, out=second)
            np.copyto(winner, channel, where=np.greater(logit, best, out=is_larger))
            np.maximum(best, logit, out=best)


@dataclass(frozen=True, eq=False)
class _RankedSlab:
    slab: Slab
    ranking: Ranking

    def part(self, planes: slice) -> _RankedSlab:
        slab = Slab(self.slab.first + planes.start, self.slab.logits[:, planes])
        ranking = self.ranking
        return _RankedSlab(
            slab, Ranking(ranking.winner[planes], ranking.best[planes], ranking.second[planes])
        )

    def copy(self) -> _RankedSlab:
        """With memory of its own."""
        ranking = self.ranking
        return _RankedSlab(
            Slab(self.slab.first, self.slab.logits.copy()),
            Ranking(ranking.winner.copy(), ranking.best.copy(), ranking.second.copy()),
        )

    def margin(self, channel: int, rows: slice, columns: slice) -> Margin:
        """In all its planes."""
        box = (slice(None), rows, columns)
        logit, best = self.slab.logits[channel][box], self.ranking.best[box]
        lead = best - self.ranking.second[box]
        values = np.where(self.ranking.winner[box] == channel, lead, logit - best)
        return Margin((slice(self.slab.first, self.slab.end), rows, columns), values)


def _keep_near(
    one: _RankedSlab, winner: NDArray[np.uint8], pieces: Mapping[int, list[Margin]]
) -> None:
    """Add to `pieces` the margins of the channels that win anywhere near."""
    near = winner[max(one.slab.first - REACH, 0) : one.slab.end + REACH]
    for channel, box in enumerate(ndimage.find_objects(near), start=1):
        if box is not None:
            _, rows, columns = _grown(box, near.shape, REACH)
            pieces[channel].append(one.margin(channel, rows, columns))


def _joined(pieces: Sequence[Margin], box: Box) -> Margin:
    values = np.full([side.stop - side.start for side in box], UNSEEN_LOGIT, np.float32)
    for piece in pieces:
        shared = [
            slice(max(a.start, b.start), max(min(a.stop, b.stop), a.start, b.start))
            for a, b in zip(box, piece.box, strict=True)
        ]
        values[_counted_from(box, shared)] = piece.values[_counted_from(piece.box, shared)]
    return Margin(box, values)


def _counted_from(box: Box, shared: Sequence[slice]) -> Box:
    z, y, x = (
        slice(one.start - side.start, one.stop - side.start)
        for side, one in zip(box, shared, strict=True)
    )
    return z, y, x


def _grown(box: Box, shape: tuple[int, ...], steps: int = BOX_MARGIN) -> Box:
    z, y, x = (
        slice(max(side.start - steps, 0), min(side.stop + steps, length))
        for side, length in zip(box, shape, strict=True)
    )
    return z, y, x
