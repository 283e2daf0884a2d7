"""Fields of the structures on a lattice: a network's logits, window by window, and their margins.

(The probabilities of the design, kept as logits: the border of a structure is where its logit
equals the largest of all others, which is linear where a probability saturates.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.errors import InferenceError
from contouring.lattice import BoxMm, Lattice, build_lattice, resample, spacing_for_shape
from contouring.recipe import AIR_HU, Predictor, Stage
from contouring.volume import CTVolume
from contouring.windows import blending_weights, plan_windows

FractionDone = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Fields:
    """`logits`: (channels, z, y, x) float32 on `lattice`, background first."""

    lattice: Lattice
    logits: NDArray[np.float32]


def predict_fields(
    ct: CTVolume, stage: Stage, predictor: Predictor, box: BoxMm | None, done: FractionDone
) -> Fields:
    """Run a network over `box` (the whole scan if None), blending overlapping windows.

    Raises `InferenceError` if the network answers with anything but finite logits of the window's
    shape.
    """
    lattice = _stage_lattice(ct, stage, box)
    image = stage.intensity.apply(resample(ct.hu, ct.grid, lattice))
    inside = image.shape
    padded = _padded(image, stage)
    windows = plan_windows(padded.shape, _window(stage, padded.shape), stage.overlap)
    logits = _blended(predictor, padded, windows, done)
    return Fields(lattice, logits[(slice(None), *(slice(n) for n in inside))])


def _blended(
    predictor: Predictor,
    padded: NDArray[np.float32],
    windows: tuple[tuple[slice, slice, slice], ...],
    done: FractionDone,
) -> NDArray[np.float32]:
    """Logits (channels, z, y, x) of the whole image."""
    extent = _extent(windows[0])
    first = _predicted(predictor, padded[windows[0]], extent)
    if len(windows) == 1:
        return first
    weights = blending_weights(extent)
    total = np.zeros(padded.shape, np.float32)
    logits = np.zeros((len(first), *padded.shape), np.float32)
    for number, window in enumerate(windows):
        answer = first if number == 0 else _predicted(predictor, padded[window], extent)
        logits[(slice(None), *window)] += answer * weights
        total[window] += weights
        done((number + 1) / len(windows))
    logits /= total
    return logits


def _predicted(
    predictor: Predictor, window: NDArray[np.float32], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    return _checked(predictor.predict(np.ascontiguousarray(window)), shape)


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
    if stage.shape_zyx is not None:
        spacing = spacing_for_shape(ct.grid, stage.shape_zyx)
    return build_lattice(ct.grid, spacing, box, stage.window_zyx)


def _window(stage: Stage, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The stage's window, or less on a side where the padded image is shorter."""
    z, y, x = (min(w, n) for w, n in zip(stage.window_zyx, shape, strict=True))
    return z, y, x


def _extent(window: tuple[slice, slice, slice]) -> tuple[int, int, int]:
    z, y, x = (side.stop - side.start for side in window)
    return z, y, x


def _padded(image: NDArray[np.float32], stage: Stage) -> NDArray[np.float32]:
    """Sides shorter than a window, filled up with air to what the network can take."""
    missing = []
    for length, window in zip(image.shape, stage.window_zyx, strict=True):
        short = -length % stage.multiple_of if length < window else 0
        missing.append((0, short))
    air = stage.intensity.apply(np.array(AIR_HU, np.int16))
    return np.pad(image, missing, constant_values=float(air))


def _checked(answer: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if answer.shape[1:] != shape:
        raise InferenceError(
            f"The network answered with shape {answer.shape[1:]} to a window of {shape}: "
            "its bundle's card and artifact do not belong together."
        )
    if not np.isfinite(answer).all():
        raise InferenceError(
            "The network answered with values that are not numbers: run the job again, and report "
            "the model if it repeats."
        )
    return answer
