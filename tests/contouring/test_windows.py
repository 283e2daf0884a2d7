"""Sliding windows: every voxel seen, none outside, seams invisible."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from contouring.windows import (
    LEAST_SHARE,
    Window,
    blending_weights,
    fit_window,
    heard_parts,
    plan_windows,
)

SIDES = st.tuples(st.integers(2, 12), st.integers(0, 30)).map(lambda s: (s[0], s[0] + s[1]))
OVERLAPS = st.floats(0, 0.89)


@given(SIDES, SIDES, SIDES, OVERLAPS)
def test_windows_tile_every_voxel_and_leave_the_array_nowhere(
    z: tuple[int, int], y: tuple[int, int], x: tuple[int, int], overlap: float
) -> None:
    """A voxel without a window would be divided by zero weight."""
    window, shape = (z[0], y[0], x[0]), (z[1], y[1], x[1])
    seen = np.zeros(shape, int)

    windows = plan_windows(shape, window, overlap)

    for sides in windows:
        assert all(s.start >= 0 and s.stop <= n for s, n in zip(sides, shape, strict=True))
        assert seen[sides].shape == window
        seen[sides] += 1
    assert seen.min() >= 1
    assert len(set(map(str, windows))) == len(windows)


@given(SIDES, OVERLAPS)
def test_neighbouring_windows_share_at_least_the_asked_overlap(
    side: tuple[int, int], overlap: float
) -> None:
    """Less would leave a seam where only the blind rims of windows meet."""
    window, length = side

    starts = [x.start for _, _, x in plan_windows((1, 1, length), (1, 1, window), overlap)]

    assert starts[0] == 0
    assert starts[-1] == length - window
    assert all(b - a <= max(1, window * (1 - overlap)) for a, b in itertools.pairwise(starts))


def test_one_window_is_enough_where_the_array_is_no_larger() -> None:
    """Running a network twice on the same voxels is time lost."""
    assert plan_windows((16, 8, 4), (16, 8, 4), 0.5) == ((slice(0, 16), slice(0, 8), slice(0, 4)),)


@pytest.mark.parametrize(
    ("length", "side"),
    [
        (30, 64),  # the region grows into the scan
        (64, 64),
        (76, 80),  # one window, where two of 64 would show half as much again
        (96, 96),
        (97, 64),  # two of 64 show less than one of 112 would, which is too long
        (150, 96),  # two show as much as three of 64
    ],
)
def test_a_window_grows_where_fewer_samples_then_cover_the_region(length: int, side: int) -> None:
    """Time goes with the samples that the network is shown."""
    assert fit_window(length, 64, 96, 0.25, 16) == side


@given(
    st.integers(1, 400), st.integers(1, 8), st.integers(0, 8), OVERLAPS, st.sampled_from([1, 8, 16])
)
def test_no_other_window_would_show_fewer_samples(
    length: int, least: int, more: int, overlap: float, multiple_of: int
) -> None:
    """Of all that the network takes."""
    window, longest = least * multiple_of, (least + more) * multiple_of

    def count_shown(side: int) -> int:
        return side * len(plan_windows((1, 1, max(length, side)), (1, 1, side), overlap))

    side = fit_window(length, window, longest, overlap, multiple_of)

    assert side % multiple_of == 0
    assert window <= side <= longest
    shown = [count_shown(other) for other in range(window, longest + 1, multiple_of)]
    assert count_shown(side) == min(shown)


@pytest.mark.parametrize("window", [(1, 1, 1), (2, 3, 4), (32, 16, 48)])
def test_blending_weights_are_positive_symmetric_and_largest_in_the_middle(
    window: tuple[int, int, int],
) -> None:
    """A weight that leans to one side would shift borders between windows."""
    weights = blending_weights(window)

    assert weights.shape == window
    assert weights.dtype == np.float32
    assert weights.min() > 0
    assert weights.max() == weights[tuple(n // 2 for n in window)] == 1
    assert np.array_equal(weights, weights[::-1, ::-1, ::-1])


def weigh(
    shape: tuple[int, int, int], windows: Sequence[Window], parts: Sequence[Window]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per voxel, the weight of all windows and that of the parts of them that are heard."""
    weights = blending_weights(tuple(s.stop - s.start for s in windows[0]))  # type: ignore[arg-type]
    whole, heard = np.zeros(shape), np.zeros(shape)
    for window, part in zip(windows, parts, strict=True):
        whole[window] += weights
        inside = tuple(
            slice(p.start - w.start, p.stop - w.start) for w, p in zip(window, part, strict=True)
        )
        heard[part] += weights[inside]
    return whole, heard


@given(SIDES, SIDES, SIDES, OVERLAPS)
def test_of_every_voxel_nearly_all_weight_is_heard(
    z: tuple[int, int], y: tuple[int, int], x: tuple[int, int], overlap: float
) -> None:
    """On each axis a rim is left out only where a neighbour weighs fifty times as much."""
    window, shape = (z[0], y[0], x[0]), (z[1], y[1], x[1])
    windows = plan_windows(shape, window, overlap)

    parts = heard_parts(windows)

    for place, part in zip(windows, parts, strict=True):
        assert all(w.start <= p.start < p.stop <= w.stop for w, p in zip(place, part, strict=True))
    whole, heard = weigh(shape, windows, parts)
    assert (heard > 0.9 * whole).all()
    starts = [part[0].start for part in parts]
    assert starts == sorted(starts)  # planes before a part are settled


def test_windows_that_overlap_by_half_are_heard_without_their_rims() -> None:
    """At most a few hundredths of the weight of any voxel are left out, of most nothing."""
    shape = (144, 144, 144)
    windows = plan_windows(shape, (96, 96, 96), 0.5)

    parts = heard_parts(windows)

    whole, heard = weigh(shape, windows, parts)
    assert (heard / whole).min() > 1 - 3 * LEAST_SHARE
    assert (heard / whole).mean() > 0.99
    assert parts[0][0] == slice(0, 84)
    assert parts[-1][0] == slice(60, 144)


def test_a_window_alone_is_heard_to_its_rims() -> None:
    """Nothing else shows what lies there."""
    windows = plan_windows((20, 30, 40), (20, 30, 40), 0.5)

    assert heard_parts(windows) == windows
