"""What only the pixels of a whole scan show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contouring.errors import SeriesRefusedError
from contouring.phantom_scan import Scan, even_offsets
from contouring.pixel_gate import check_hu
from tests.contouring.ct_files import names_of
from tests.contouring.grids import grid_of

# 200 x 200 mm in 12 slices.
SCAN = Scan(
    rows=100,
    columns=100,
    row_spacing_mm=2.0,
    column_spacing_mm=2.0,
    slice_offsets_mm=even_offsets(12, 3.0),
)
ALL = np.ones((100, 100), bool)
Y_MM, X_MM = (np.arange(100) - 49.5) * 2.0, (np.arange(100) - 49.5) * 2.0


def body(radius_mm: float = 70.0, centre_x_mm: float = 0.0) -> NDArray[np.int16]:
    """A round body of soft tissue in air, (slices, rows, columns)."""
    inside = np.hypot(Y_MM[:, None], X_MM[None, :] - centre_x_mm) < radius_mm
    noise = np.random.default_rng(1).normal(0, 20, (12, 100, 100))
    return (np.where(inside, 40, -1000) + noise).astype(np.int16)


def names(hu: NDArray[np.int16], in_view: NDArray[np.bool_] = ALL, scan: Scan = SCAN) -> list[str]:
    """What is warned of."""
    return names_of(check_hu(hu, in_view, grid_of(scan)))


def test_a_body_in_air_is_taken_without_a_word() -> None:
    """A warning that always comes is read by nobody."""
    assert names(body()) == []


@pytest.mark.parametrize(
    ("hu", "reason"),
    [
        (np.zeros_like(body()), "one value"),
        (body() + 1024, "rescale intercept seems to be missing"),
        (body() * 10 + 900, "soft tissue"),
        (np.where(body() > -500, 1500, -1000).astype(np.int16), "soft tissue"),
    ],
    ids=["constant", "without intercept", "another slope", "no soft tissue"],
)
def test_values_that_are_no_ct_numbers_are_refused(hu: NDArray[np.int16], reason: str) -> None:
    """Any network draws something on them, and it looks plausible."""
    with pytest.raises(SeriesRefusedError, match=reason) as refusal:
        names(hu)

    assert refusal.value.fault == "not-ct-numbers"


def test_a_scan_that_shows_nothing_is_refused() -> None:
    """Padding throughout."""
    with pytest.raises(SeriesRefusedError, match="one value"):
        names(body(), ~ALL)


def test_a_scan_without_air_is_taken_with_a_warning() -> None:
    """A cropped view; or values that were shifted by less than can be told."""
    hu = np.clip(body(), -150, None)

    assert names(hu) == ["no-air", "truncated-field-of-view"]


def test_a_narrow_view_is_not_judged_by_its_peaks() -> None:
    """An inner ear holds neither air outside nor much soft tissue."""
    scan = replace(SCAN, row_spacing_mm=0.3, column_spacing_mm=0.3)

    assert names(np.clip(body() + 1500, 900, None).astype(np.int16), scan=scan) == []


def test_metal_is_warned_of() -> None:
    """Its streaks change what tissue looks like."""
    hu = body()
    hu[4:6, 50:60, 50:60] = 3071

    notices = check_hu(hu, ALL, grid_of(SCAN))

    assert names_of(notices) == ["metal"]
    assert notices[0].text.startswith("2.4 cm³")


def test_a_single_filling_is_not() -> None:
    """Most people have one."""
    hu = body()
    hu[4, 50:54, 50:54] = 3071

    assert names(hu) == []


def test_a_body_that_reaches_the_edge_is_warned_of_with_its_place() -> None:
    """What lies beyond the field of view is in no contour and no dose."""
    hu = body()
    hu[5:9] = body(70.0, 60.0)[5:9]

    notices = check_hu(hu, ALL, grid_of(SCAN))

    assert names_of(notices) == ["truncated-field-of-view"]
    assert "in 4 of 12 slices" in notices[0].text
    assert f"first at z = {SCAN.origin_mm(5)[2]:g} mm" in notices[0].text


def test_the_edge_of_a_round_view_is_an_edge_too() -> None:
    """Shoulders are cut by the reconstruction circle long before the image's border."""
    circle = np.hypot(Y_MM[:, None], X_MM[None, :]) < 90.0

    cut = names(body(70.0, 35.0), circle)
    whole = names(body(70.0, 0.0), circle)

    assert cut == ["truncated-field-of-view"]
    assert whole == []


def test_a_couch_at_the_edge_is_no_body() -> None:
    """Its shell is thin and runs out of every image."""
    hu = body(60.0)
    hu[:, 85] = 100
    hu[:, 92] = 100

    assert names(hu) == []


def test_a_touch_is_no_cut() -> None:
    """Noise and clothes at the border; twenty millimetres of it are needed."""
    assert names(body(70.0, 27.0)) == []


def test_an_image_smaller_than_a_block_is_no_fault() -> None:
    """Blocks then are pixels, or nothing."""
    scan = replace(SCAN, rows=2, columns=3, row_spacing_mm=0.5, column_spacing_mm=9.0)
    hu = np.arange(72).reshape(12, 2, 3).astype(np.int16)

    assert names(hu, np.ones((2, 3), bool), scan) == []
