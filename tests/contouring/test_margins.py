"""Margins share their borders, and are the same however the logits come."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage

from contouring.blending import UNSEEN_LOGIT, Slab
from contouring.margins import BOX_MARGIN, REACH, Margin, collect_margins, rank_channels

Logits = NDArray[np.float32]
LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(2, 6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    elements=st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]),  # ties are wanted
)
NEAR = np.ones([2 * REACH + 1] * 3, bool)


def whole(logits: Logits) -> dict[int, Margin]:
    """All planes at once."""
    return dict(collect_margins([Slab(0, logits)], logits.shape[1:]))  # type: ignore[arg-type]


def scattered(seed: int) -> Logits:
    """Blobs of five structures in a wide background, (6, 40, 24, 26)."""
    noise = np.random.default_rng(seed).normal(size=(6, 40, 24, 26))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 2))
    logits = np.asarray(smooth / smooth.std(), np.float32)
    logits[0] += 2.0
    return logits


@given(LOGITS)
def test_ranking_agrees_with_a_sort_of_the_channels(logits: Logits) -> None:
    """The fast single pass must be the plain definition, ties included: the first channel wins."""
    ranking = rank_channels(logits)

    ordered = np.sort(logits, axis=0)
    assert np.array_equal(ranking.best, ordered[-1])
    assert np.array_equal(ranking.second, ordered[-2])
    assert np.array_equal(ranking.winner, logits.argmax(axis=0))


@given(LOGITS)
def test_a_margin_is_the_logit_less_the_largest_of_all_others(logits: Logits) -> None:
    """Its zero is the border of the structure, by definition."""
    for channel, margin in whole(logits).items():
        others = np.delete(logits, channel, axis=0).max(axis=0)

        assert np.array_equal(margin.values, (logits[channel] - others)[margin.box])


@given(LOGITS)
def test_every_channel_that_wins_a_voxel_has_a_margin_and_no_two_claim_one(logits: Logits) -> None:
    """Neighbours share one border: no overlap, no gap."""
    winner = logits.argmax(axis=0)

    margins = whole(logits)

    claims = np.zeros(winner.shape, int)
    for margin in margins.values():
        claims[margin.box] += margin.values > 0
    assert set(margins) == set(np.unique(winner)) - {0}
    assert claims.max() <= 1


@given(st.integers(0, 9), st.lists(st.integers(1, 39), max_size=12, unique=True))
def test_the_planes_may_come_in_slabs_of_any_thickness(seed: int, cuts: list[int]) -> None:
    """What is near a structure in the next slab is not known yet when a slab comes."""
    logits = scattered(seed)
    ends = [0, *sorted(cuts), 40]
    slabs = [Slab(a, logits[:, a:b]) for a, b in pairwise(ends)]

    margins = collect_margins(iter(slabs), (40, 24, 26))

    at_once = whole(logits)
    assert margins.keys() == at_once.keys()
    for channel, margin in margins.items():
        assert margin.box == at_once[channel].box
        inside = logits.argmax(axis=0) == channel
        near = ndimage.binary_dilation(inside, NEAR)[margin.box]
        assert np.array_equal(margin.values[near], at_once[channel].values[near])
        assert (margin.values[~near] < 0).all()


def test_a_slab_s_memory_may_be_used_again_for_the_next() -> None:
    """As a sweep does that holds no more planes than a window is deep."""
    logits = scattered(3)
    memory = np.empty_like(logits[:, :8])

    def slabs() -> object:
        for first in range(0, 40, 8):
            memory[...] = logits[:, first : first + 8]
            yield Slab(first, memory)

    margins = collect_margins(slabs(), (40, 24, 26))  # type: ignore[arg-type]

    for channel, margin in whole(logits).items():
        found = margins[channel].values
        assert np.array_equal(found > 0, margin.values > 0)
        assert np.array_equal(found[found > 0], margin.values[margin.values > 0])


def test_planes_that_no_slab_holds_are_background() -> None:
    """Where windows without a candidate were not shown to the network."""
    logits = np.full((2, 6, 5, 5), -1.0, np.float32)
    logits[1, :, 2, 2] = 3.0

    margins = collect_margins([Slab(0, logits), Slab(20, logits)], (26, 5, 5))

    assert margins[1].box == (slice(0, 26), slice(0, 5), slice(0, 5))
    assert (margins[1].values[:6, 2, 2] == 4.0).all()
    assert (margins[1].values[6:20] == UNSEEN_LOGIT).all()


def test_a_box_ends_so_far_beyond_its_structure_that_its_border_lies_inside() -> None:
    """And no further: boxes are what a run's memory holds."""
    logits = np.zeros((2, 20, 20, 20), np.float32)
    logits[1] = -1.0
    logits[1, 9:11, 8, 10:15] = 1.0

    (margin,) = whole(logits).values()

    sides = [(9, 11), (8, 9), (10, 15)]
    assert margin.box == tuple(slice(a - BOX_MARGIN, b + BOX_MARGIN) for a, b in sides)
