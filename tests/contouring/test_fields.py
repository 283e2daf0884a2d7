"""Logits on a lattice: the same whatever the windows, and margins that share their borders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contouring.errors import InferenceError
from contouring.fields import Fields, margin, predict_fields, rank_channels
from contouring.lattice import BoxMm, build_lattice
from contouring.phantom_scan import Scan, even_offsets
from contouring.recipe import AIR_HU
from contouring.volume import CTVolume
from tests.contouring.grids import SCANS, UNEVEN_SCAN, grid_of, name_of, volume_of
from tests.contouring.predictors import FunctionPredictor, native, thresholds

EVERYWHERE = (slice(None), slice(None), slice(None))


def random_ct(scan: Scan = UNEVEN_SCAN, seed: int = 1) -> CTVolume:
    """Noise, so that no voxel can be taken for another."""
    noise = np.random.default_rng(seed).integers(-1000, 1000, scan.shape_zyx)
    return CTVolume(grid_of(scan), noise.astype(np.int16))


def fields_from(logits: np.ndarray) -> Fields:
    """Logits (channels, z, y, x) on a lattice that matters to nobody."""
    return Fields(build_lattice(grid_of(UNEVEN_SCAN)), np.asarray(logits, np.float32))


LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(2, 6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
    elements=st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]),  # ties are wanted
)


@given(LOGITS)
def test_ranking_agrees_with_a_sort_of_the_channels(logits: np.ndarray) -> None:
    """The fast single pass must be the plain definition, ties included: the first channel wins."""
    ranking = rank_channels(fields_from(logits))

    ordered = np.sort(logits, axis=0)
    assert np.array_equal(ranking.best, ordered[-1])
    assert np.array_equal(ranking.second, ordered[-2])
    assert np.array_equal(ranking.winner, logits.argmax(axis=0))


@given(LOGITS, st.data())
def test_a_margin_is_the_logit_less_the_largest_of_all_others(
    logits: np.ndarray, data: st.DataObject
) -> None:
    """Its zero is the border of the structure, by definition."""
    channel = data.draw(st.integers(0, len(logits) - 1))
    fields = fields_from(logits)

    found = margin(fields, rank_channels(fields), channel, EVERYWHERE)

    others = np.delete(logits, channel, axis=0).max(axis=0)
    assert np.array_equal(found, logits[channel] - others)


@given(LOGITS)
def test_at_most_one_structure_claims_a_voxel_and_neighbours_margins_are_opposite(
    logits: np.ndarray,
) -> None:
    """One border for both: no overlap, no gap."""
    fields = fields_from(logits)
    ranking = rank_channels(fields)

    margins = np.stack([margin(fields, ranking, k, EVERYWHERE) for k in range(len(logits))])

    assert ((margins > 0).sum(axis=0) <= 1).all()
    ordered = np.sort(margins, axis=0)
    assert np.array_equal(ordered[-1], -ordered[-2])


@given(
    st.tuples(st.integers(1, 12), st.integers(1, 22), st.integers(1, 28)),
    st.floats(0, 0.8),
    st.sampled_from([1, 2, 4]),
)
def test_a_pointwise_network_s_fields_do_not_depend_on_the_windows(
    window: tuple[int, int, int], overlap: float, multiple_of: int
) -> None:
    """Blending must be invisible where windows agree."""
    window = tuple(-(-side // multiple_of) * multiple_of for side in window)  # type: ignore[assignment]
    ct = random_ct()

    fields = predict_fields(
        ct, native(window, overlap, multiple_of), thresholds(100.0), None, lambda _: None
    )

    canonical = fields.lattice.to_canonical(ct.hu).astype(np.float32)
    assert fields.logits.shape == (2, *canonical.shape)
    assert (
        np.abs(fields.logits[1] - (canonical - 100.0)).max() < 1e-2
    )  # of about 1000 HU, in float32
    assert np.abs(fields.logits[0]).max() == 0


@pytest.mark.parametrize(
    ("window", "multiple_of", "shown"),
    [
        ((64, 48, 48), 16, (16, 32, 32)),  # the scan is 10 x 20 x 26
        ((8, 48, 8), 8, (8, 24, 8)),
        ((64, 64, 64), 64, (64, 64, 64)),
        ((10, 20, 26), 1, (10, 20, 26)),
    ],
)
def test_a_scan_smaller_than_the_window_is_filled_up_with_air_to_what_the_network_takes(
    window: tuple[int, int, int], multiple_of: int, shown: tuple[int, int, int]
) -> None:
    """A network halves its sides; and beyond the scan there is no tissue."""
    ct = random_ct()
    network = thresholds(100.0)

    fields = predict_fields(ct, native(window, 0.5, multiple_of), network, None, lambda _: None)

    assert {seen.shape for seen in network.windows} == {shown}
    assert fields.logits.shape[1:] == (10, 20, 26)
    for seen in network.windows:
        assert (seen[10:] == AIR_HU).all()
        assert (seen[:, :, 26:] == AIR_HU).all()


@pytest.mark.parametrize("scan", SCANS, ids=name_of)
def test_the_network_sees_one_orientation_in_every_position(scan: Scan) -> None:
    """Also through windows: head, back and left are the ends of its axes."""
    centre = np.array(scan.centre_mm)
    ct = volume_of(scan, lambda points: (points - centre) @ (1.0, 10.0, 100.0))
    network = thresholds(0.0)

    predict_fields(ct, native((4, 6, 6)), network, None, lambda _: None)

    for seen in network.windows:
        steps = [float(np.median(np.diff(seen, axis=axis))) for axis in range(3)]
        assert steps[0] > 5 * max(steps[1], 0) > 0
        assert steps[1] > 5 * steps[2] > 0


def test_a_box_smaller_than_a_window_is_shown_with_what_surrounds_it() -> None:
    """Real tissue is better context than padding."""
    ct = random_ct()
    network = thresholds(100.0)
    box = BoxMm((8.0, 0.0, 10.0), (12.0, 3.0, 14.0))

    fields = predict_fields(ct, native((6, 8, 8)), network, box, lambda _: None)

    assert [seen.shape for seen in network.windows] == [(6, 8, 8)]
    assert np.array_equal(network.windows[0] - 100.0, fields.logits[1])
    along_ct = fields.lattice.to_ct_axes(fields.logits[1]) + 100.0
    starts = [
        int(np.argmin(np.abs(own - samples[0])))
        for own, samples in zip(ct.grid.axes_mm, fields.lattice.axes_mm, strict=True)
    ]
    assert np.array_equal(
        along_ct, ct.hu[tuple(slice(s, s + n) for s, n in zip(starts, along_ct.shape, strict=True))]
    )


def test_a_stage_with_spacing_sees_the_ct_at_that_spacing() -> None:
    """The weights were trained at it."""
    scan = replace(UNEVEN_SCAN, slice_offsets_mm=even_offsets(10, 3.0))
    ct = random_ct(scan)
    network = thresholds(100.0)
    stage = replace(native((4, 4, 4)), spacing_zyx_mm=(4.0, 3.0, 2.0))

    fields = predict_fields(ct, stage, network, None, lambda _: None)

    assert [np.diff(axis)[0] for axis in fields.lattice.axes_mm] == pytest.approx([4.0, 3.0, 2.0])


def test_a_stage_with_a_shape_sees_the_whole_scan_in_it() -> None:
    """As localizers do that were trained on scans of one size."""
    network = thresholds(100.0)
    stage = replace(native((6, 8, 8)), shape_zyx=(6, 8, 8))

    fields = predict_fields(random_ct(), stage, network, None, lambda _: None)

    assert [seen.shape for seen in network.windows] == [(6, 8, 8)]
    for samples, scan in zip(fields.lattice.axes_mm, random_ct().grid.axes_mm, strict=True):
        assert (samples[0], samples[-1]) == pytest.approx((scan[0], scan[-1]))


def test_progress_rises_window_by_window_to_one() -> None:
    """A bar that never moves looks like a dead server."""
    heard: list[float] = []

    predict_fields(random_ct(), native((4, 10, 10)), thresholds(100.0), None, heard.append)

    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@pytest.mark.parametrize(
    "window", [(64, 64, 64), (4, 10, 10)], ids=["one window", "several windows"]
)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda seen: np.zeros((2, *seen.shape[:2], 3), np.float32), "do not belong together"),
        (lambda seen: np.full((2, *seen.shape), np.nan, np.float32), "not numbers"),
        (lambda seen: np.full((2, *seen.shape), np.inf, np.float32), "not numbers"),
        (lambda seen: np.zeros(seen.shape, np.float32), "do not belong together"),
    ],
    ids=["wrong shape", "nan", "inf", "no channels"],
)
def test_an_answer_that_is_no_field_fails_the_run(
    window: tuple[int, int, int], answer: object, reason: str
) -> None:
    """A contour drawn from rubbish would be a wrong contour in silence."""
    broken = FunctionPredictor(answer)  # type: ignore[arg-type]

    with pytest.raises(InferenceError, match=reason):
        predict_fields(random_ct(), native(window), broken, None, lambda _: None)
