"""Networks that are plain functions: fakes of `contouring.recipe.Predictor`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contouring.fields import Fields
from contouring.grid import Grid
from contouring.lattice import build_lattice
from contouring.recipe import IntensityRule, Stage

FloatArray = NDArray[np.float32]

# Hounsfield units as they are.
PLAIN_HU = IntensityRule((-2048.0, 32000.0), (-2048.0, 32000.0))
NATIVE = Stage(PLAIN_HU, (64, 64, 64), overlap=0.5, multiple_of=1)


@dataclass
class FunctionPredictor:
    """Answers every window with `logits_of` it, and remembers what it was shown.

    `batches`: how many windows came at a time.
    """

    logits_of: Callable[[FloatArray], FloatArray]
    windows: list[FloatArray] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def predict(self, windows: FloatArray) -> FloatArray:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x)."""
        assert windows.dtype == np.float32
        assert windows.flags.c_contiguous
        self.batches.append(len(windows))
        self.windows.extend(windows.copy())
        return np.stack([self.logits_of(window) for window in windows])


def thresholds(*hu: float) -> FunctionPredictor:
    """One channel per threshold, above background: voxel by voxel, HU minus the threshold."""
    return FunctionPredictor(
        lambda window: np.stack([np.zeros_like(window), *(window - level for level in hu)])
    )


def native(window_zyx: tuple[int, int, int], overlap: float = 0.5, multiple_of: int = 1) -> Stage:
    """A stage at the CT's own grid that sees plain Hounsfield units."""
    return replace(NATIVE, window_zyx=window_zyx, overlap=overlap, multiple_of=multiple_of)


def fields_of(grid: Grid, along_ct: Sequence[NDArray[np.floating]]) -> Fields:
    """Logits that are given on the CT's own voxels, one array (slices, rows, columns) each."""
    lattice = build_lattice(grid)
    canonical = [lattice.to_canonical(np.asarray(values, np.float32)) for values in along_ct]
    return Fields(lattice, np.stack(canonical))
