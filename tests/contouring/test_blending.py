"""Windows are blended plane by plane to what they would be at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contouring.blending import LEAST_PLANES, UNSEEN_LOGIT, Blend, Slab
from contouring.windows import Window, blending_weights, heard_parts, plan_windows


def blended(
    shape: tuple[int, int, int],
    windows: Sequence[Window],
    parts: Sequence[Window],
    answers: list[np.ndarray],
) -> list[Slab]:
    """The slabs of windows that come in the order of their planes, copied."""
    extent = answers[0].shape[1:]
    blend = Blend(len(answers[0]), shape[1:], extent)
    slabs = []
    for window, part, answer in zip(windows, parts, answers, strict=True):
        if not blend.has_room_for(part):
            slabs += [Slab(s.first, s.logits.copy()) for s in blend.settle(part[0].start)]
        blend.add(window, part, answer)
    return slabs + [Slab(s.first, s.logits.copy()) for s in blend.settle(shape[0])]


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 24), st.integers(1, 9), st.integers(1, 9)),
    st.floats(0, 0.8),
)
def test_planes_settled_in_turn_are_those_of_all_windows_at_once(
    shape: tuple[int, int, int], window: tuple[int, int, int], overlap: float
) -> None:
    """To the last bit: contours must not depend on how many planes are held."""
    extent = tuple(min(pair) for pair in zip(shape, window, strict=True))
    windows = plan_windows(shape, extent, overlap)  # type: ignore[arg-type]
    parts = heard_parts(windows)
    noise = np.random.default_rng(0)
    answers = [noise.normal(size=(3, *extent)).astype(np.float32) for _ in windows]

    slabs = blended(shape, windows, parts, answers)

    weights = blending_weights(extent)  # type: ignore[arg-type]
    total, logits = np.zeros(shape, np.float32), np.zeros((3, *shape), np.float32)
    for window, part, answer in zip(windows, parts, answers, strict=True):
        heard = np.zeros(shape, bool)
        heard[part] = True
        weighted = np.where(heard[window], weights, 0)
        logits[(slice(None), *window)] += answer * weighted
        total[window] += weighted
    assert [slab.first for slab in slabs] == [0, *(slab.end for slab in slabs[:-1])]
    assert np.array_equal(np.concatenate([slab.logits for slab in slabs], axis=1), logits / total)


def test_no_more_planes_are_held_than_a_window_is_deep() -> None:
    """Else a long scan would take more memory than a short one."""
    windows = [(slice(z, z + 20), slice(0, 4), slice(0, 4)) for z in range(0, 400, 10)]
    answer = np.ones((2, 20, 4, 4), np.float32)

    slabs = blended((410, 4, 4), windows, windows, [answer] * len(windows))

    assert max(slab.logits.shape[1] for slab in slabs) <= max(20, LEAST_PLANES)
    assert slabs[-1].end == 410


def test_places_that_no_window_shows_are_background() -> None:
    """Those left out within a slab are unseen; planes without any window are in no slab."""
    windows = [(slice(z, z + 16), slice(0, 4), slice(0, 4)) for z in (0, 80)]
    answer = np.ones((2, 16, 4, 4), np.float32)

    first, last = blended((96, 4, 8), windows, windows, [answer, answer])

    assert (first.first, first.end, last.first, last.end) == (0, 16, 80, 96)
    for slab in (first, last):
        assert (slab.logits[..., :4] == 1).all()
        assert (slab.logits[0, ..., 4:] == 0).all()
        assert (slab.logits[1, ..., 4:] == UNSEEN_LOGIT).all()
