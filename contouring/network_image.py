"""What a network is shown of a scan: samples on its lattice, in its own intensities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contouring.lattice import Lattice, Sampler
from contouring.recipe import AIR_HU, IntensityRule, Stage
from contouring.volume import CTVolume
from contouring.windows import Window

LEAST_PLANES = 16  # sampled at a time: neighbouring slices share what they are sampled from


class NetworkImage:
    """Windows of a scan, sampled slab by slab as they are asked for.

    `shape_zyx`: of the lattice, with sides shorter than a window filled up with air to what the
    network can take.
    """

    def __init__(
        self, ct: CTVolume, lattice: Lattice, stage: Stage, window_zyx: tuple[int, int, int]
    ) -> None:
        self._intensity: IntensityRule = stage.intensity.for_scan(ct.hu)
        self._air = float(self._intensity.apply(np.array(AIR_HU, np.int16)))
        self._sampler = Sampler(ct.hu, ct.grid, lattice)
        self._sampled_zyx = lattice.shape_zyx
        z, y, x = (
            length + (-length % stage.multiple_of if length < window else 0)
            for length, window in zip(lattice.shape_zyx, window_zyx, strict=True)
        )
        self.shape_zyx = z, y, x
        self._first = 0
        self._slab = np.empty((0, y, x), np.float32)

    def window(self, place: Window) -> NDArray[np.float32]:
        """(z, y, x) float32; places come in the order of their first planes."""
        start, stop = place[0].start, place[0].stop
        if stop > self._first + len(self._slab):
            self._move(start, min(max(stop, start + LEAST_PLANES), self.shape_zyx[0]))
        return self._slab[(slice(start - self._first, stop - self._first), *place[1:])]

    def _move(self, start: int, stop: int) -> None:
        """Hold the planes from `start` to `stop`, of which those in the slab are kept."""
        slab = np.full((stop - start, *self.shape_zyx[1:]), self._air, np.float32)
        known = self._slab[start - self._first :]
        slab[: len(known)] = known
        _, rows, columns = self._sampled_zyx
        first, last = start + len(known), min(stop, self._sampled_zyx[0])
        if last > first:
            hu = self._sampler.planes(first, last)
            sampled = slab[first - start : last - start, :rows, :columns]
            sampled[...] = self._intensity.apply(hu)
        self._first, self._slab = start, slab
