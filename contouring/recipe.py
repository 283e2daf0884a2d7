"""What a cascade expects of an image: spacing, intensities, windows and structures, per stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contouring.structures import Structure

AIR_HU = -1024


@dataclass(frozen=True)
class IntensityRule:
    """Clip Hounsfield units to `hu_range` and map that range linearly onto `output_range`."""

    hu_range: tuple[float, float]
    output_range: tuple[float, float] = (-1.0, 1.0)

    def apply(self, hu: NDArray[np.number]) -> NDArray[np.float32]:
        """Network input (float32) of Hounsfield units of any shape and dtype."""
        low, high = self.hu_range
        bottom, top = self.output_range
        gain = np.float32((top - bottom) / (high - low))
        mapped = np.array(hu, np.float32)
        np.clip(mapped, low, high, out=mapped)
        mapped -= np.float32(low)
        mapped *= gain
        mapped += np.float32(bottom)
        return mapped


@dataclass(frozen=True)
class Stage:
    """One network's view of a CT.

    Exactly one of `spacing_zyx_mm` and `shape_zyx` is set, or neither for the CT's own grid.
    `window_zyx`: voxels the network sees at once; `overlap`: fraction of a window shared with the
    next one; `multiple_of`: what each window side must be divisible by.
    """

    intensity: IntensityRule
    window_zyx: tuple[int, int, int]
    overlap: float
    multiple_of: int
    spacing_zyx_mm: tuple[float, float, float] | None = None
    shape_zyx: tuple[int, int, int] | None = None

    @property
    def plan(self) -> str:
        """Sampling and windows in words: with the weights, all that decides a field."""
        sampling = "at the CT's own voxels"
        if self.spacing_zyx_mm is not None:
            sampling = f"at {_times(self.spacing_zyx_mm)} mm"
        elif self.shape_zyx is not None:
            sampling = f"at {_times(self.shape_zyx)} samples"
        return f"{sampling}, windows {_times(self.window_zyx)}, overlap {self.overlap:g}"


def _times(sides: tuple[float, float, float]) -> str:
    return "x".join(f"{side:g}" for side in sides)


@dataclass(frozen=True)
class RoiRule:
    """How a localizer's answer becomes a box: drop small components, then add a margin (mm)."""

    margin_zyx_mm: tuple[float, float, float]
    minimum_component_cm3: float


class Predictor(Protocol):
    """A network, ready to run; implementations live in `models.runtimes`."""

    def predict(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (channels, z, y, x) of one window (z, y, x), both float32."""


@dataclass(frozen=True)
class Localizer:
    """The coarse network: channel 1 against channel 0 over the whole scan."""

    stage: Stage
    rule: RoiRule
    predictor: Predictor


@dataclass(frozen=True)
class Segmenter:
    """The fine network: one channel per structure, background first."""

    stage: Stage
    predictor: Predictor


@dataclass(frozen=True)
class Cascade:
    """A model ready to contour: two networks, the structures of its channels and its identity."""

    name: str
    version: str
    checksum: str
    runtime: str
    localizer: Localizer | None
    segmenter: Segmenter
    structures: tuple[Structure, ...]

    @property
    def plan(self) -> str:
        """How its networks see a scan."""
        fine = f"segmenter {self.segmenter.stage.plan}"
        if self.localizer is None:
            return fine
        return f"localizer {self.localizer.stage.plan}; {fine}"
