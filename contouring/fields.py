"""Fields of the structures on a lattice: a network's logits, window by window, and their margins.

(The probabilities of the design, kept as logits: the border of a structure is where its logit
equals the largest of all others, which is linear where a probability saturates.)

Windows are shown plane by plane along z. Of every plane that no later window reaches, only the
margins of the structures that lie near it are kept, and the logits are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.blending import Blend, Slab
from contouring.candidate_region import CandidateRegion, confine
from contouring.errors import InferenceError
from contouring.lattice import (
    BoxMm,
    Lattice,
    build_lattice,
    kept_where_near,
    spacing_for_shape,
)
from contouring.margins import Margin, collect_margins
from contouring.network_image import NetworkImage
from contouring.recipe import Predictor, Stage
from contouring.volume import CTVolume
from contouring.windows import Window, fit_window, heard_parts, plan_windows

FractionDone = Callable[[float], None]

# Windows of one slice go to the network together: alone they are too small to keep it busy.
SLICES_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Fields:
    """`margins`: of the channels that have the largest logit anywhere on `lattice`.

    Neighbouring structures share the one zero surface between them, without gap or overlap.
    """

    lattice: Lattice
    margins: Mapping[int, Margin]


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
    lattice, slabs = predict_slabs(ct, stage, predictor, box, done, candidates)
    return Fields(lattice, collect_margins(slabs, lattice.shape_zyx))


def predict_foreground(
    ct: CTVolume, stage: Stage, predictor: Predictor, box: BoxMm | None, done: FractionDone
) -> tuple[Lattice, NDArray[np.bool_]]:
    """Where (z, y, x) any channel but the background has the largest logit.

    Raises as `predict_fields` does.
    """
    lattice, slabs = predict_slabs(ct, stage, predictor, box, done)
    found = np.zeros(lattice.shape_zyx, bool)
    for slab in slabs:
        found[slab.first : slab.end] = slab.logits[1:].max(axis=0) > slab.logits[0]
    return lattice, found


def predict_slabs(
    ct: CTVolume,
    stage: Stage,
    predictor: Predictor,
    box: BoxMm | None,
    done: FractionDone,
    candidates: CandidateRegion | None = None,
) -> tuple[Lattice, Iterator[Slab]]:
    """The lattice, and the logits of its planes in their order.

    Planes that no window reaches are in no slab: they are background.
    """
    lattice, window = _lay_out(ct, stage, box)
    image = NetworkImage(ct, lattice, stage, window)
    windows = plan_windows(image.shape_zyx, _shorter(window, image.shape_zyx), stage.overlap)
    wanted = None
    if candidates is not None:
        wanted = candidates.on(lattice)
        # Where a lattice's own samples miss a small region altogether, all ends as background.
        windows = tuple(place for place in windows if wanted[place].any()) or windows
    return lattice, _on_lattice(_blended(predictor, image, windows, done), lattice, wanted)


def _on_lattice(
    slabs: Iterable[Slab], lattice: Lattice, wanted: NDArray[np.bool_] | None
) -> Iterator[Slab]:
    """Without the air that sides were filled up with, and background where nothing is `wanted`.

    Raises `InferenceError` at logits that are not finite.
    """
    planes, rows, columns = lattice.shape_zyx
    for slab in slabs:
        _check_finite(slab.logits)
        logits = slab.logits[:, : planes - slab.first, :rows, :columns]
        if wanted is not None:
            confine(logits, wanted[slab.first : slab.end])
        yield Slab(slab.first, logits)


def _blended(
    predictor: Predictor, image: NetworkImage, windows: tuple[Window, ...], done: FractionDone
) -> Iterator[Slab]:
    extent = _extent(windows[0])
    blend = None
    heard = tuple(zip(windows, heard_parts(windows), strict=True))
    at_once = SLICES_AT_ONCE if 1 in extent else 1
    for first in range(0, len(heard), at_once):
        batch = heard[first : first + at_once]
        answers = _predicted(predictor, image, [window for window, _ in batch])
        if extent == image.shape_zyx:
            yield Slab(0, answers[0])
            return
        blend = blend or Blend(answers.shape[1], image.shape_zyx[1:], extent)
        for (window, part), answer in zip(batch, answers, strict=True):
            if not blend.has_room_for(part):
                yield from blend.settle(part[0].start)
            blend.add(window, part, answer)
        done((first + len(batch)) / len(heard))
    if blend is not None:
        yield from blend.settle(image.shape_zyx[0])


def _predicted(
    predictor: Predictor, image: NetworkImage, windows: Sequence[Window]
) -> NDArray[np.float32]:
    shown = np.stack([image.window(place) for place in windows])
    answer = predictor.predict(shown)
    _check_shape(answer, (len(windows), *_extent(windows[0])))
    return answer


def _lay_out(ct: CTVolume, stage: Stage, box: BoxMm | None) -> tuple[Lattice, tuple[int, int, int]]:
    """The samples that the network is to see, and the window in which it sees them."""
    spacing = stage.spacing_zyx_mm
    if spacing is not None and stage.own_within is not None:
        spacing = kept_where_near(ct.grid, spacing, stage.own_within)
    if stage.shape_zyx is not None:
        spacing = spacing_for_shape(ct.grid, stage.shape_zyx)
    window = stage.window_zyx
    if stage.longest_zyx is not None:
        wanted = build_lattice(ct.grid, spacing, box).shape_zyx
        z, y, x = (
            fit_window(length, least, longest, stage.overlap, stage.multiple_of)
            for length, least, longest in zip(wanted, window, stage.longest_zyx, strict=True)
        )
        window = z, y, x
    return build_lattice(ct.grid, spacing, box, window), window


def _shorter(window: tuple[int, int, int], shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The window, or less on a side where the padded image is shorter."""
    z, y, x = (min(w, n) for w, n in zip(window, shape, strict=True))
    return z, y, x


def _extent(window: Window) -> tuple[int, int, int]:
    z, y, x = (side.stop - side.start for side in window)
    return z, y, x


def _check_shape(answer: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """`shape`: windows, z, y, x."""
    if (*answer.shape[:1], *answer.shape[2:]) != shape:
        raise InferenceError(
            f"The network answered with shape {answer.shape} to {shape[0]} windows of {shape[1:]}: "
            "its bundle's card and artifact do not belong together."
        )


def _check_finite(logits: NDArray[np.float32]) -> None:
    """Of what was heard of the windows: a sum of weighted answers is finite if each is."""
    if not all(_is_finite(channel) for channel in logits):
        raise InferenceError(
            "The network answered with values that are not numbers: run the job again, and report "
            "the model if it repeats."
        )


def _is_finite(values: NDArray[np.float32]) -> bool:
    """By one sum, at a third of the time; a sum that is not finite may be of values that are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())
