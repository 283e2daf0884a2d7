"""Fields of the structures on a lattice: a network's logits, window by window, and their margins.

(The probabilities of the design, kept as logits: the border of a structure is where its logit
equals the largest of all others, which is linear where a probability saturates.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.candidate_region import CandidateRegion, confine
from contouring.errors import InferenceError
from contouring.lattice import (
    BoxMm,
    Lattice,
    build_lattice,
    kept_where_near,
    resample,
    spacing_for_shape,
)
from contouring.recipe import AIR_HU, IntensityRule, Predictor, Stage
from contouring.volume import CTVolume
from contouring.windows import blending_weights, plan_windows

FractionDone = Callable[[float], None]
Window = tuple[slice, slice, slice]

# Windows of one slice go to the network together: alone they are too small to keep it busy.
SLICES_AT_ONCE = 8
# Of structures where no window was shown to the network: as sure as networks are of background.
UNSEEN_LOGIT = -10.0


@dataclass(frozen=True, eq=False)
class Fields:
    """`logits`: (channels, z, y, x) float32 on `lattice`, background first."""

    lattice: Lattice
    logits: NDArray[np.float32]


def predict_fields(
    ct: CTVolume,
    stage: Stage,
    predictor: Predictor,
    box: BoxMm | None,
    done: FractionDone,
    candidates: CandidateRegion | None = None,
) -> Fields:
    """Run a network over `box` (the whole scan if None), blending overlapping windows.

    With `candidates`, only in windows that hold some, and every other voxel is background.
    Raises `InferenceError` if the network answers with anything but finite logits of the window's
    shape.
    """
    lattice = _stage_lattice(ct, stage, box)
    intensity = stage.intensity.for_scan(ct.hu)
    image = intensity.apply(resample(ct.hu, ct.grid, lattice))
    padded = _padded(image, stage, intensity)
    windows = plan_windows(padded.shape, _window(stage, padded.shape), stage.overlap)
    inside = (slice(None), *(slice(n) for n in image.shape))
    if candidates is None:
        return Fields(lattice, _blended(predictor, padded, windows, done)[inside])
    wanted = candidates.on(lattice)
    # Where a lattice's own samples miss a small region altogether, all windows end as background.
    held = tuple(window for window in windows if wanted[window].any()) or windows
    logits = _blended(predictor, padded, held, done)[inside]
    confine(logits, wanted)
    return Fields(lattice, logits)


def _blended(
    predictor: Predictor,
    padded: NDArray[np.float32],
    windows: tuple[Window, ...],
    done: FractionDone,
) -> NDArray[np.float32]:
    """Logits (channels, z, y, x) of the whole image."""
    batches = _batches(windows)
    extent = _extent(windows[0])
    first = _predicted(predictor, padded, batches[0])
    if extent == padded.shape:
        return np.asarray(first[0])
    weights = blending_weights(extent)
    total = np.zeros(padded.shape, np.float32)
    logits = np.zeros((first.shape[1], *padded.shape), np.float32)
    for number, batch in enumerate(batches):
        answers = first if number == 0 else _predicted(predictor, padded, batch)
        for window, answer in zip(batch, answers, strict=True):
            logits[(slice(None), *window)] += answer * weights
            total[window] += weights
        done((number + 1) / len(batches))
    unseen = total == 0
    total[unseen] = 1
    logits /= total
    logits[1:, unseen] = UNSEEN_LOGIT
    return logits


def _batches(windows: tuple[Window, ...]) -> list[tuple[Window, ...]]:
    at_once = SLICES_AT_ONCE if 1 in _extent(windows[0]) else 1
    return [windows[start : start + at_once] for start in range(0, len(windows), at_once)]


def _predicted(
    predictor: Predictor, padded: NDArray[np.float32], batch: tuple[Window, ...]
) -> NDArray[np.float32]:
    shown = np.stack([padded[window] for window in batch])
    return _checked(predictor.predict(shown), (len(batch), *_extent(batch[0])))


@dataclass(frozen=True, eq=False)
class Ranking:
    """Per voxel (z, y, x): the channel with the largest logit, that logit and the next largest."""

    winner: NDArray[np.uint8]
    best: NDArray[np.float32]
    second: NDArray[np.float32]


def rank_channels(fields: Fields) -> Ranking:
    """One pass over the channels, without a copy of them."""
    best = fields.logits[0].copy()
    second = np.full_like(best, -np.inf)
    winner = np.zeros(best.shape, np.uint8)
    for channel in range(1, len(fields.logits)):
        logit = fields.logits[channel]
        np.maximum(second, np.minimum(best, logit), out=second)
        winner[logit > best] = channel
        np.maximum(best, logit, out=best)
    return Ranking(winner, best, second)


def margin(
    fields: Fields, ranking: Ranking, channel: int, box: tuple[slice, slice, slice]
) -> NDArray[np.float32]:
    """The channel's logit minus the largest of all others, in `box`: positive inside.

    Neighbouring structures share the one zero surface between them, without gap or overlap.
    """
    logit = fields.logits[channel][box]
    best, second = ranking.best[box], ranking.second[box]
    return np.where(ranking.winner[box] == channel, best - second, logit - best)


def _stage_lattice(ct: CTVolume, stage: Stage, box: BoxMm | None) -> Lattice:
    spacing = stage.spacing_zyx_mm
    if spacing is not None and stage.own_within is not None:
        spacing = kept_where_near(ct.grid, spacing, stage.own_within)
    if stage.shape_zyx is not None:
        spacing = spacing_for_shape(ct.grid, stage.shape_zyx)
    return build_lattice(ct.grid, spacing, box, stage.window_zyx)


def _window(stage: Stage, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The stage's window, or less on a side where the padded image is shorter."""
    z, y, x = (min(w, n) for w, n in zip(stage.window_zyx, shape, strict=True))
    return z, y, x


def _extent(window: Window) -> tuple[int, int, int]:
    z, y, x = (side.stop - side.start for side in window)
    return z, y, x


def _padded(
    image: NDArray[np.float32], stage: Stage, intensity: IntensityRule
) -> NDArray[np.float32]:
    """Sides shorter than a window, filled up with air to what the network can take."""
    missing = []
    for length, window in zip(image.shape, stage.window_zyx, strict=True):
        short = -length % stage.multiple_of if length < window else 0
        missing.append((0, short))
    air = intensity.apply(np.array(AIR_HU, np.int16))
    return np.pad(image, missing, constant_values=float(air))


def _checked(answer: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`shape`: windows, z, y, x."""
    if (*answer.shape[:1], *answer.shape[2:]) != shape:
        raise InferenceError(
            f"The network answered with shape {answer.shape} to {shape[0]} windows of {shape[1:]}: "
            "its bundle's card and artifact do not belong together."
        )
    if not np.isfinite(answer).all():
        raise InferenceError(
            "The network answered with values that are not numbers: run the job again, and report "
            "the model if it repeats."
        )
    return answer
