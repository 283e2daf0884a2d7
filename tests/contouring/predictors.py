"""Networks that are plain functions: fakes of `contouring.recipe.Predictor`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contouring.blending import UNSEEN_LOGIT, Slab
from contouring.candidate_region import CandidateRegion
from contouring.fields import Fields, predict_slabs
from contouring.grid import Grid
from contouring.lattice import BoxMm, Lattice, build_lattice
from contouring.margins import collect_margins
from contouring.recipe import IntensityRule, Predictor, Stage
from contouring.volume import CTVolume

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


@dataclass(frozen=True, eq=False)
class Logits:
    """`logits`: (channels, z, y, x) of a whole lattice, as no run ever holds them."""

    lattice: Lattice
    logits: FloatArray


def predict_logits(
    ct: CTVolume,
    stage: Stage,
    predictor: Predictor,
    box: BoxMm | None = None,
    candidates: CandidateRegion | None = None,
) -> Logits:
    """All slabs put together; planes that no window reached are background."""
    lattice, slabs = predict_slabs(ct, stage, predictor, box, lambda _: None, candidates)
    parts = [Slab(slab.first, slab.logits.copy()) for slab in slabs]
    logits = np.full((len(parts[0].logits), *lattice.shape_zyx), UNSEEN_LOGIT, np.float32)
    logits[0] = 0
    for part in parts:
        logits[:, part.first : part.end] = part.logits
    return Logits(lattice, logits)


def fields_of(grid: Grid, along_ct: Sequence[NDArray[np.floating]]) -> Fields:
    """Of logits that are given on the CT's own voxels, one array (slices, rows, columns) each."""
    lattice = build_lattice(grid)
    logits = np.stack([lattice.to_canonical(np.asarray(one, np.float32)) for one in along_ct])
    return Fields(lattice, collect_margins([Slab(0, logits)], lattice.shape_zyx))
