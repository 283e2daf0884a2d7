"""Logits on a lattice: the same whatever the windows, and margins that share their borders."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.candidate_region import CandidateRegion
from contouring.errors import InferenceError
from contouring.fields import SLICES_AT_ONCE, predict_fields
from contouring.lattice import BoxMm, build_lattice
from contouring.phantom_scan import Scan, even_offsets
from contouring.recipe import AIR_HU, PercentileRule
from contouring.volume import CTVolume
from contouring.windows import blending_weights, heard_parts, plan_windows
from tests.contouring.grids import SCANS, UNEVEN_SCAN, grid_of, name_of, volume_of
from tests.contouring.predictors import FunctionPredictor, native, predict_logits, thresholds


def random_ct(scan: Scan = UNEVEN_SCAN, seed: int = 1) -> CTVolume:
    """Noise, so that no voxel can be taken for another."""
    noise = np.random.default_rng(seed).integers(-1000, 1000, scan.shape_zyx)
    return CTVolume(grid_of(scan), noise.astype(np.int16))


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

    fields = predict_logits(ct, native(window, overlap, multiple_of), thresholds(100.0))

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

    fields = predict_logits(ct, native(window, 0.5, multiple_of), network)

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

    predict_logits(ct, native((4, 6, 6)), network)

    for seen in network.windows:
        steps = [float(np.median(np.diff(seen, axis=axis))) for axis in range(3)]
        assert steps[0] > 5 * max(steps[1], 0) > 0
        assert steps[1] > 5 * steps[2] > 0


def test_a_box_smaller_than_a_window_is_shown_with_what_surrounds_it() -> None:
    """Real tissue is better context than padding."""
    ct = random_ct()
    network = thresholds(100.0)
    box = BoxMm((8.0, 0.0, 10.0), (12.0, 3.0, 14.0))

    fields = predict_logits(ct, native((6, 8, 8)), network, box)

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


def test_a_window_that_may_grow_shows_a_region_at_once() -> None:
    """Its logits are those of any other windows, for a network that looks at single voxels."""
    ct = random_ct()
    grown, usual = thresholds(100.0), thresholds(100.0)
    box = BoxMm((8.0, 0.0, 10.0), (20.0, 8.0, 18.0))
    stage = replace(native((2, 4, 4)), overlap=0.25)

    many = predict_logits(ct, stage, usual, box)
    one = predict_logits(ct, replace(stage, longest_zyx=(8, 12, 12)), grown, box)

    assert len(grown.windows) == 1
    assert len(usual.windows) > 1
    assert np.array_equal(one.lattice.axes_mm[0], many.lattice.axes_mm[0])
    assert one.logits.shape == many.logits.shape
    assert np.allclose(one.logits, many.logits, atol=1e-3)


def test_a_stage_with_spacing_sees_the_ct_at_that_spacing() -> None:
    """The weights were trained at it."""
    scan = replace(UNEVEN_SCAN, slice_offsets_mm=even_offsets(10, 3.0))
    ct = random_ct(scan)
    network = thresholds(100.0)
    stage = replace(native((4, 4, 4)), spacing_zyx_mm=(4.0, 3.0, 2.0))

    fields = predict_logits(ct, stage, network)

    assert [np.diff(axis)[0] for axis in fields.lattice.axes_mm] == pytest.approx([4.0, 3.0, 2.0])


@pytest.mark.parametrize(
    ("asked_mm", "seen_mm"),
    [
        ((2.5, 2.0, 1.6), (3.0, 1.7, 1.2)),  # all near the scan's own
        ((2.2, 1.7, 0.8), (3.0, 1.7, 0.8)),  # one further off, to either side
        ((4.5, 1.2, 1.2), (4.5, 1.7, 1.2)),
    ],
)
def test_a_stage_keeps_the_scan_s_own_voxels_where_they_are_near_its_spacing(
    asked_mm: tuple[float, float, float], seen_mm: tuple[float, float, float]
) -> None:
    """Samples that lie hardly wider or closer than voxels blur small organs and gain nothing."""
    ct = random_ct(replace(UNEVEN_SCAN, slice_offsets_mm=even_offsets(10, 3.0)))
    stage = replace(native((4, 4, 4)), spacing_zyx_mm=asked_mm, own_within=1.43)

    fields = predict_logits(ct, stage, thresholds(100.0))

    steps = [np.diff(axis)[0] for axis in fields.lattice.axes_mm]
    assert steps == pytest.approx(seen_mm)
    for samples, own, step, own_step in zip(
        fields.lattice.axes_mm, ct.grid.axes_mm, seen_mm, (3.0, 1.7, 1.2), strict=True
    ):
        if step == own_step:
            assert np.array_equal(samples, own)


def test_a_stage_with_a_shape_sees_the_whole_scan_in_it() -> None:
    """As localizers do that were trained on scans of one size."""
    network = thresholds(100.0)
    stage = replace(native((6, 8, 8)), shape_zyx=(6, 8, 8))

    fields = predict_logits(random_ct(), stage, network)

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
        predict_logits(random_ct(), native(window), broken)


def test_windows_are_summed_in_their_order_to_the_last_bit() -> None:
    """Contours of a released model must not move when the code around its network changes."""
    ct = random_ct()
    network = thresholds(100.0, 250.0)
    window = (6, 12, 10)

    fields = predict_logits(ct, native(window, 0.5), network)

    image = np.ascontiguousarray(fields.lattice.to_canonical(ct.hu).astype(np.float32))
    weights = blending_weights(window)
    total = np.zeros(image.shape, np.float32)
    logits = np.zeros((3, *image.shape), np.float32)
    windows = plan_windows(image.shape, window, 0.5)
    for place, part in zip(windows, heard_parts(windows), strict=True):
        heard = np.zeros(image.shape, bool)
        heard[part] = True
        weighted = np.where(heard[place], weights, 0)
        logits[(slice(None), *place)] += thresholds(100.0, 250.0).logits_of(image[place]) * weighted
        total[place] += weighted
    assert np.array_equal(fields.logits, logits / total)
    assert set(network.batches) == {1}


def test_slices_are_shown_several_at_a_time_each_by_itself() -> None:
    """A network of two dimensions runs in the same line, on batches."""
    ct = random_ct()
    network = FunctionPredictor(
        lambda seen: np.stack([np.zeros_like(seen), seen - np.median(seen)])  # of its slice alone
    )
    stage = replace(native((1, 64, 64), multiple_of=32), spacing_zyx_mm=(None, 1.7, 1.2))

    fields = predict_logits(ct, stage, network)

    assert network.batches == [SLICES_AT_ONCE, 10 - SLICES_AT_ONCE]
    assert {seen.shape for seen in network.windows} == {(1, 32, 32)}
    canonical = fields.lattice.to_canonical(ct.hu).astype(np.float32)
    for plane, seen, own in zip(fields.logits[1], network.windows, canonical, strict=True):
        assert np.array_equal(seen[0, :20, :26], own)
        assert plane == pytest.approx(own - np.median(seen), abs=1e-2)


def test_windows_within_a_slice_are_blended_and_leave_other_slices_alone() -> None:
    """Between slices a window of one has nothing to share."""
    ct = random_ct()
    whole = thresholds(100.0)
    parts = thresholds(100.0)

    at_once = predict_logits(ct, native((1, 20, 26)), whole)
    in_parts = predict_logits(ct, native((1, 8, 10)), parts)

    assert len(parts.windows) > len(whole.windows) == 10
    assert max(parts.batches) == SLICES_AT_ONCE
    assert in_parts.logits == pytest.approx(at_once.logits, abs=1e-2)


def region_of(ct: CTVolume, sides: tuple[slice, slice, slice]) -> CandidateRegion:
    """Candidates on the CT's own voxels, (z, y, x)."""
    lattice = build_lattice(ct.grid)
    mask = np.zeros(lattice.shape_zyx, bool)
    mask[sides] = True
    return CandidateRegion(mask, lattice)


@pytest.mark.parametrize("position", ["HFS", "FFP"])
def test_only_windows_that_hold_candidates_are_shown(position: str) -> None:
    """Roth's second network is spared nine tenths of the voxels."""
    ct = random_ct(replace(UNEVEN_SCAN, position=position))
    network = thresholds(100.0)
    sides = (slice(1, 4), slice(3, 7), slice(12, 15))
    region = region_of(ct, sides)

    fields = predict_logits(ct, native((5, 10, 13), 0.0), network, candidates=region)

    canonical = fields.lattice.to_canonical(ct.hu).astype(np.float32)
    assert len(network.windows) == 2  # of eight: x 12 lies in one, 13 and 14 in the next
    assert fields.logits[1][sides] == pytest.approx(canonical[sides] - 100.0, abs=1e-2)
    assert np.array_equal(fields.logits.argmax(axis=0)[sides], canonical[sides] > 100.0)


def test_beyond_the_candidates_all_is_background() -> None:
    """Whether a window was shown to the network there or not."""
    ct = random_ct()
    region = region_of(ct, (slice(1, 4), slice(3, 7), slice(12, 15)))

    fields = predict_logits(ct, native((5, 10, 13), 0.5), thresholds(-2000.0), candidates=region)

    assert np.array_equal(fields.logits.argmax(axis=0) == 1, region.mask)
    assert np.isfinite(fields.logits).all()


def test_candidates_between_the_samples_of_a_coarser_lattice_are_none() -> None:
    """A region too small for the segmenter to see holds no organ, and stops nothing."""
    ct = random_ct()
    network = thresholds(-2000.0)
    stage = replace(native((2, 2, 2), 0.0), spacing_zyx_mm=(13.0, 15.0, 14.0))
    region = region_of(ct, (slice(3, 4), slice(5, 6), slice(6, 7)))

    fields = predict_logits(ct, stage, network, candidates=region)

    assert not region.on(fields.lattice).any()
    assert (fields.logits.argmax(axis=0) == 0).all()


def test_percentiles_are_the_whole_scan_s_wherever_the_box_stands() -> None:
    """A tissue looks the same to the network in every window."""
    ct = random_ct()
    stage = replace(native((6, 8, 8)), intensity=PercentileRule((5.0, 95.0)))
    box = BoxMm((8.0, 0.0, 10.0), (12.0, 3.0, 14.0))
    network = thresholds(0.0)

    fields = predict_logits(ct, stage, network, box)

    low, high = np.percentile(ct.hu, [5, 95])
    clipped = np.clip(ct.hu.astype(np.float64), low, high)
    whole = build_lattice(ct.grid).to_canonical((clipped - clipped.mean()) / clipped.std())
    (seen,) = network.windows
    first = [
        int(np.abs(own - samples[0]).argmin())
        for own, samples in zip(ct.grid.axes_mm, fields.lattice.axes_mm, strict=True)
    ]  # head first supine: the CT's own axes
    there = tuple(slice(f, f + n) for f, n in zip(first, seen.shape, strict=True))
    assert seen == pytest.approx(whole[there], abs=1e-3)
