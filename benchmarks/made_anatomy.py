"""Many organs of known shape, as a network would answer: what lies around it can be timed alone.

Ellipsoids stand on a loose grid in a box of a patient's trunk. Their logits are smooth, and zero
against the background on their surfaces.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.recipe import Predictor
from contouring.structures import Structure

# z, y, x. A large abdomen, and what is left of it in 55 slices of 5 mm.
ROIS_MM = {"large": (400.0, 270.0, 330.0), "small": (256.0, 190.0, 210.0)}
STEEPNESS = 8.0  # logit in the middle of an organ
FAR_LOGIT = -10.0
REACH = 1.5  # radii; beyond, it is far
FILL = 0.42  # semi-axis by the distance to the next one
SPREAD = (0.65, 1.0)  # of a semi-axis

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
ZyxMm = tuple[float, float, float]
LARGEST_MISS = 0.05  # of an organ's volume


@dataclass(frozen=True, eq=False)
class MadeAnatomy:
    """`centres_mm`, `semi_axes_mm`: (organs, 3) as z, y, x."""

    centres_mm: NDArray[np.float64]
    semi_axes_mm: NDArray[np.float64]

    @property
    def volumes_cm3(self) -> NDArray[np.float64]:
        """(organs,)."""
        return np.asarray(4 / 3 * np.pi * self.semi_axes_mm.prod(axis=1) / 1000)

    @property
    def structures(self) -> tuple[Structure, ...]:
        """One for each organ, in order."""
        shades = np.random.default_rng(1).integers(40, 240, (len(self.centres_mm), 3))
        return tuple(
            Structure(number, f"Organ_{number:03d}", (int(r), int(g), int(b)))
            for number, (r, g, b) in enumerate(shades, start=1)
        )

    def check(self, volumes_cm3: Mapping[str, float]) -> None:
        """Raises `AssertionError` unless every organ came out as large as it is, by its name."""
        for structure, true in zip(self.structures, self.volumes_cm3, strict=True):
            found = volumes_cm3.get(structure.name, 0.0)
            if abs(found - true) > LARGEST_MISS * true:
                raise AssertionError(f"{structure.name} has {found:.2f} cm3, not {true:.2f}")

    def answer(self, axes_mm: Axes) -> NDArray[np.float32]:
        """Logits (1 + organs, z, y, x) at the samples of three axes, background first."""
        shape = tuple(len(axis) for axis in axes_mm)
        logits = np.full((len(self.centres_mm) + 1, *shape), FAR_LOGIT, np.float32)
        logits[0] = 0
        for number, box, radius in self._parts(axes_mm):
            near = STEEPNESS * (1 - radius)
            logits[(number, *box)] = np.maximum(near, FAR_LOGIT)
        return logits

    def label(self, axes_mm: Axes) -> NDArray[np.uint8]:
        """Organs by number (z, y, x), 0 between them."""
        labels = np.zeros(tuple(len(axis) for axis in axes_mm), np.uint8)
        for number, box, radius in self._parts(axes_mm):
            labels[box][radius < 1] = number
        return labels

    def _parts(self, axes_mm: Axes) -> list[tuple[int, tuple[slice, ...], NDArray[np.float64]]]:
        """Per organ that is near: its number, its box and the radius there, 1 on the surface."""
        parts = []
        for number, (centre, semi) in enumerate(
            zip(self.centres_mm, self.semi_axes_mm, strict=True), start=1
        ):
            scaled = [(axis - c) / s for axis, c, s in zip(axes_mm, centre, semi, strict=True)]
            near = [np.flatnonzero(np.abs(side) < REACH) for side in scaled]
            if any(len(side) == 0 for side in near):
                continue
            z, y, x = (side[n] ** 2 for side, n in zip(scaled, near, strict=True))
            radius = np.sqrt(z[:, None, None] + y[None, :, None] + x[None, None, :])
            box = tuple(slice(int(n.min()), int(n.max()) + 1) for n in near)
            parts.append((number, box, radius))
        return parts


def find_corner(axes_mm: Axes, roi_mm: ZyxMm) -> ZyxMm:
    """The lowest corner of a box in the middle of a scan's axes, or as much of it as there is."""
    z, y, x = (
        max(0.0, (float(axis[-1]) - side) / 2) for axis, side in zip(axes_mm, roi_mm, strict=True)
    )
    return z, y, x


def make_anatomy(organs: int, corner_zyx_mm: ZyxMm, roi_mm: ZyxMm) -> MadeAnatomy:
    """Organs in a box of that size whose lowest corner lies there."""
    volume_each = np.prod(roi_mm) / organs
    counts = np.ceil(np.array(roi_mm) / volume_each ** (1 / 3)).astype(int)
    steps = np.array(roi_mm) / counts
    places = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1)
    chance = np.random.default_rng(0)
    chosen = chance.choice(places.reshape(-1, 3), organs, replace=False)
    centres = np.array(corner_zyx_mm) + (chosen + 0.5) * steps
    semi = FILL * steps * chance.uniform(*SPREAD, (organs, 3))
    return MadeAnatomy(centres, semi)


class MadePredictor:
    """Answers windows in a known order with a made anatomy; `seconds`: what making them took.

    With a `network` the windows are shown to that, too, and what it says is dropped: its time
    counts, and contours are those of organs, not of noise.
    """

    def __init__(self, anatomy: MadeAnatomy, network: Predictor | None = None) -> None:
        self._anatomy, self._network = anatomy, network
        self._places: list[Axes] = []
        self.seconds = 0.0

    def expect(self, places: list[Axes]) -> None:
        """The samples of each window that comes next, and an end to the time so far."""
        self._places, self.seconds = list(places), 0.0

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `Predictor` has it."""
        if self._network is not None:
            self._network.predict(windows)
        started = time.perf_counter()
        logits = np.stack([self._anatomy.answer(self._places.pop(0)) for _ in windows])
        self.seconds += time.perf_counter() - started
        return logits
