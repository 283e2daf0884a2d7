"""What a network's input is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contouring.errors import InferenceError
from contouring.recipe import (
    AIR_HU,
    Cascade,
    IntensityRule,
    Localizer,
    PercentileRule,
    RoiRule,
    Segmenter,
)
from tests.contouring.predictors import NATIVE, thresholds


def test_the_range_is_mapped_end_to_end_and_what_is_beyond_is_clipped() -> None:
    """Metal and air must not stretch the tissue between them."""
    rule = IntensityRule((-100.0, 300.0), (-1.0, 1.0))

    mapped = rule.apply(np.array([-3000, -100, 100, 300, 3000], np.int16))

    assert mapped.dtype == np.float32
    assert mapped.tolist() == pytest.approx([-1, -1, 0, 1, 1])


@given(st.integers(-1024, 3071), st.floats(-900, 0), st.floats(1, 3000))
def test_mapping_is_linear_and_ascends(hu: int, low: float, high: float) -> None:
    """The same in training and serving, to the last bit that matters."""
    rule = IntensityRule((low, high), (0.0, 1.0))

    (mapped,) = rule.apply(np.array([hu], np.int16))

    assert mapped == pytest.approx((min(max(hu, low), high) - low) / (high - low), abs=1e-5)


def test_the_image_itself_is_left_as_it_was() -> None:
    """The CT is still needed for the picture."""
    hu = np.full((2, 3), AIR_HU, np.float32)

    IntensityRule((0.0, 1.0)).apply(hu)

    assert (hu == AIR_HU).all()


@given(
    arrays.arrays(
        st.sampled_from([np.int16, np.float32]),
        arrays.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=6),
        elements=st.integers(-1024, 3071),
        fill=st.nothing(),
    ),
    st.floats(0, 40),
    st.floats(60, 100),
)
def test_percentiles_mean_and_deviation_are_those_of_the_scan(
    hu: np.ndarray, low: float, high: float
) -> None:
    """As numpy has them, though no copy of the scan is sorted."""
    ends = np.percentile(hu.astype(np.float64), [low, high])
    assume(ends[1] > ends[0])

    rule = PercentileRule((low, high)).for_scan(hu)

    clipped = np.clip(hu.astype(np.float64), *ends)
    assert rule.hu_range == pytest.approx(tuple(ends), abs=1e-6)
    wanted = (clipped - clipped.mean()) / clipped.std()
    assert np.abs(rule.apply(hu) - wanted).max() < 1e-3


def test_a_scan_of_one_value_has_no_percentiles_to_scale_by() -> None:
    """Nearly all of it is air: whatever a network answers to that is no organ."""
    hu = np.full((4, 20, 20), AIR_HU, np.int16)
    hu[0, 0, 0] = 40

    with pytest.raises(InferenceError, match="-1024 HU throughout"):
        PercentileRule((5.0, 95.0)).for_scan(hu)


def test_a_fixed_range_is_the_same_for_every_scan() -> None:
    """Both kinds of rule are asked in the same way."""
    rule = IntensityRule((-100.0, 300.0))

    assert rule.for_scan(np.zeros((2, 2, 2), np.int16)) is rule


def test_a_plan_names_the_axes_that_keep_the_scan_s_own_positions() -> None:
    """A network of two dimensions sees each slice once."""
    stage = replace(NATIVE, spacing_zyx_mm=(None, 2.0, 2.0), window_zyx=(1, 256, 256), overlap=0.25)

    assert stage.plan == "at nativex2x2 mm, windows 1x256x256, overlap 0.25"


def test_a_plan_names_the_factor_within_which_voxels_are_kept() -> None:
    """It decides where a network looks as much as its spacing does."""
    stage = replace(NATIVE, spacing_zyx_mm=(2.5, 3.9, 3.9), own_within=1.45)

    assert stage.plan.startswith("at 2.5x3.9x3.9 mm or the CT's own within a factor of 1.45, ")


def test_a_plan_names_how_far_its_windows_may_grow() -> None:
    """Other windows may draw another border."""
    stage = replace(NATIVE, longest_zyx=(64, 96, 96))

    assert " to 64x96x96, overlap " in stage.plan


def test_a_cascade_says_how_its_networks_see_a_scan() -> None:
    """Structure sets of another window plan get other UIDs: their contours may differ."""
    coarse = replace(NATIVE, shape_zyx=(128, 128, 64), overlap=0.0)
    fine = replace(NATIVE, spacing_zyx_mm=(3.0, 1.5, 1.5), window_zyx=(48, 96, 96))
    localizer = Localizer(coarse, RoiRule((0.0, 0.0, 0.0), 0.0), thresholds(0.0))
    cascade = Cascade("m", "1", "c", "r", localizer, Segmenter(fine, thresholds(0.0)), ())

    plan = cascade.plan

    assert plan == (
        "localizer at 128x128x64 samples, windows 64x64x64, overlap 0; "
        "segmenter at 3x1.5x1.5 mm, windows 48x96x96, overlap 0.5"
    )


def test_a_cascade_may_see_the_scans_own_voxels_at_once() -> None:
    """Such a model has no localizer and resamples nothing."""
    cascade = Cascade("m", "1", "c", "r", None, Segmenter(NATIVE, thresholds(0.0)), ())

    assert cascade.plan == "segmenter at the CT's own voxels, windows 64x64x64, overlap 0.5"
