"""What a cascade expects of an image: spacing, intensities, windows and structures, per stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contouring.errors import InferenceError
from contouring.notices import Notice
from contouring.structures import Structure

AIR_HU = -1024
SpacingMm = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class IntensityRule:
    """Clip Hounsfield units to `hu_range` and map that range linearly onto `output_range`."""

    hu_range: tuple[float, float]
    output_range: tuple[float, float] = (-1.0, 1.0)

    def for_scan(self, hu: NDArray[np.number]) -> IntensityRule:
        """The same for every scan."""
        del hu
        return self

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
class PercentileRule:
    """Clip a scan at its own percentiles, then take off the mean and divide by the deviation.

    Mean and standard deviation are those of the clipped scan (Lyu et al., section 2.1). All are of
    the whole scan, never of a window, so that a tissue has one value wherever a window stands.
    """

    percentiles: tuple[float, float]

    def for_scan(self, hu: NDArray[np.number]) -> IntensityRule:
        """The linear map that this is for one scan of any shape, in whole Hounsfield units.

        Raises `InferenceError` for a scan that is the same all over.
        """
        lowest, counts = _histogram(hu)
        levels = lowest + np.arange(len(counts), dtype=np.float64)
        low, high = (_percentile(levels, counts, percent) for percent in self.percentiles)
        if low == high:
            raise InferenceError(
                f"From the {self.percentiles[0]:g}th to the {self.percentiles[1]:g}th percentile "
                f"the scan is {low:g} HU throughout: too little of the patient is in it."
            )
        clipped = np.clip(levels, low, high)
        mean = np.average(clipped, weights=counts)
        deviation = np.sqrt(np.average((clipped - mean) ** 2, weights=counts))
        return IntensityRule(
            (low, high), (float((low - mean) / deviation), float((high - mean) / deviation))
        )


def _histogram(hu: NDArray[np.number]) -> tuple[int, NDArray[np.int64]]:
    """The lowest value, and how often it and each of the following whole numbers occur.

    Slice by slice: a sorted or a wider copy of a large scan would take more memory than the scan.
    """
    lowest, highest = round(float(hu.min())), round(float(hu.max()))
    counts = np.zeros(highest - lowest + 1, np.int64)
    for plane in hu:
        whole = plane if plane.dtype.kind == "i" else np.rint(plane)
        above = whole.astype(np.int64).ravel() - lowest
        counts += np.bincount(above, minlength=len(counts))
    return lowest, counts


def _percentile(levels: NDArray[np.float64], counts: NDArray[np.int64], percent: float) -> float:
    """As `numpy.percentile` has it, interpolated between the values next to the rank."""
    reached = np.cumsum(counts)
    rank = percent / 100 * (reached[-1] - 1)
    below, above = (
        levels[np.searchsorted(reached, whole, side="right")]
        for whole in (np.floor(rank), np.ceil(rank))
    )
    return float(below + (rank - np.floor(rank)) * (above - below))


@dataclass(frozen=True)
class Stage:
    """One network's view of a CT.

    Exactly one of `spacing_zyx_mm` and `shape_zyx` is set, or neither for the CT's own grid; an
    axis keeps the CT's own positions if its spacing is None, or if the CT's differs from it by a
    factor of at most `own_within`. `window_zyx`: voxels the network sees at once, one slice for a
    network of two dimensions; `overlap`: fraction of a window shared with the next one;
    `multiple_of`: what each window side but one of 1 must be divisible by; `longest_zyx`: up to
    which a window may grow where fewer voxels then cover the region.
    """

    intensity: IntensityRule | PercentileRule
    window_zyx: tuple[int, int, int]
    overlap: float
    multiple_of: int
    spacing_zyx_mm: SpacingMm | None = None
    shape_zyx: tuple[int, int, int] | None = None
    own_within: float | None = None
    longest_zyx: tuple[int, int, int] | None = None

    @property
    def plan(self) -> str:
        """Sampling and windows in words: with the weights, all that decides a field."""
        sampling = "at the CT's own voxels"
        if self.spacing_zyx_mm is not None:
            sampling = f"at {_times(self.spacing_zyx_mm)} mm"
            if self.own_within is not None:
                sampling += f" or the CT's own within a factor of {self.own_within:g}"
        elif self.shape_zyx is not None:
            sampling = f"at {_times(self.shape_zyx)} samples"
        longest = "" if self.longest_zyx is None else f" to {_times(self.longest_zyx)}"
        return f"{sampling}, windows {_times(self.window_zyx)}{longest}, overlap {self.overlap:g}"


def _times(sides: SpacingMm) -> str:
    return "x".join("native" if side is None else f"{side:g}" for side in sides)


@dataclass(frozen=True)
class RoiRule:
    """How a localizer's answer becomes a box: drop small components, then add a margin (mm)."""

    margin_zyx_mm: tuple[float, float, float]
    minimum_component_cm3: float


@dataclass(frozen=True)
class MaskRule:
    """How it becomes a mask: drop small components, then take all within `dilation_mm` of them.

    The segmenter classifies only these voxels (Roth et al., arXiv 1704.06382, section 2.1).
    """

    dilation_mm: float
    minimum_component_cm3: float


class Predictor(Protocol):
    """A network, ready to run; implementations live in `models.runtimes`."""

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x), both float32."""


@dataclass(frozen=True)
class Localizer:
    """The coarse network, over the whole scan: whatever is not background marks the region.

    With `body_reach_mm` only within that distance of the patient's body: beyond it the network was
    never trained. `crops_to_body`: it is shown the box around the patient alone, not all the air.
    """

    stage: Stage
    rule: RoiRule | MaskRule
    predictor: Predictor
    body_reach_mm: float | None = None
    crops_to_body: bool = False


@dataclass(frozen=True)
class Segmenter:
    """The fine network: one channel per structure, background first.

    `crops_to_body`: without a localizer, it is shown the box around the patient alone.
    """

    stage: Stage
    predictor: Predictor
    crops_to_body: bool = False


@dataclass(frozen=True)
class Cascade:
    """A model ready to contour: two networks, the structures of its channels and its identity.

    `anchors`: names of structures of which one at least must be found, or the scan shows another
    part of the body; none if any structure will do. `warnings`: of how its networks run here.
    """

    name: str
    version: str
    checksum: str
    runtime: str
    localizer: Localizer | None
    segmenter: Segmenter
    structures: tuple[Structure, ...]
    anchors: tuple[str, ...] = ()
    warnings: tuple[Notice, ...] = ()

    @property
    def plan(self) -> str:
        """How its networks see a scan."""
        fine = f"segmenter {_shown(self.segmenter)}"
        return fine if self.localizer is None else f"localizer {_shown(self.localizer)}; {fine}"


def _shown(network: Localizer | Segmenter) -> str:
    return network.stage.plan + (" of the body's box" if network.crops_to_body else "")
