"""Whether a stack is whole: gaps, jitter, tilt and sizes, on positions alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from contouring.errors import SeriesRefusedError
from contouring.grid import Grid
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.phantom_shapes import rotation
from contouring.slice_headers import SliceHeader
from contouring.spacing import check_spacing
from tests.contouring.ct_files import TINY_SCAN, names_of
from tests.contouring.grids import grid_of

COUNT = 12


def judge(offsets_mm: Sequence[float], scan: Scan = TINY_SCAN) -> list[str]:
    """Warnings of slices at these places along the normal."""
    grid = grid_of(replace(scan, slice_offsets_mm=tuple(offsets_mm)))
    return names_of(check_spacing(headers_of(grid), grid))


def headers_of(grid: Grid) -> list[SliceHeader]:
    """What the slices are called: their number from 0."""
    return [SliceHeader(Path(str(k)), f"slice {k}", Dataset()) for k in range(grid.shape_zyx[0])]


def places(gaps_mm: Sequence[float]) -> list[float]:
    """Where slices lie that are so far apart."""
    return [0.0, *itertools.accumulate(gaps_mm)]


def the_fault(gaps_mm: Sequence[float], scan: Scan = TINY_SCAN) -> tuple[str, str]:
    """Fault and reason of slices that are so far apart."""
    with pytest.raises(SeriesRefusedError) as refusal:
        judge(places(gaps_mm), scan)
    return refusal.value.fault, refusal.value.reason


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
@given(
    step=st.floats(0.3, 5.0),
    count=st.integers(4, 30),
    lost=st.data(),
    jitter_seed=st.integers(0, 10**6),
)
def test_a_slice_taken_out_of_an_even_scan_is_always_missed(
    position: str, step: float, count: int, lost: st.DataObject, jitter_seed: int
) -> None:
    """In any position, at any spacing, however the scanner rounds; and the gap is named."""
    offsets = step * np.arange(count) + np.random.default_rng(jitter_seed).uniform(
        -0.01, 0.01, count
    )
    index = lost.draw(st.integers(1, count - 2))

    fault, reason = the_fault(
        np.diff(np.delete(offsets, index)).tolist(), replace(TINY_SCAN, position=position)
    )

    assert judge(offsets.tolist()) == []
    assert fault == "missing-slice"
    assert reason.startswith("A slice is missing between z = ")
    assert f"(slice {index - 1}, slice {index})" in reason


@pytest.mark.parametrize("lost", [{3}, {3, 4}, {1}, {6}, {2, 5}, {1, 2, 3, 4, 5, 6}, {1, 3, 5, 8}])
def test_lost_slices_are_counted_and_placed(lost: set[int]) -> None:
    """Interpolating over what was not sent would be a guess."""
    kept = [k for k in range(COUNT) if k not in lost]
    low, high = next((a, b) for a, b in itertools.pairwise(kept) if b > a + 1)

    fault, reason = the_fault(np.diff([2.5 * k for k in kept]).tolist())

    assert fault == "missing-slice"
    assert reason.startswith("A slice is" if high - low == 2 else f"{high - low - 1} slices are")


def test_the_gap_is_named_by_the_patients_millimetres() -> None:
    """The sender finds the slice by its position."""
    grid = grid_of(replace(TINY_SCAN, slice_offsets_mm=(-117.5, -115.0, -112.5, -107.5, -105.0)))

    with pytest.raises(SeriesRefusedError) as refusal:
        check_spacing(headers_of(grid), grid)

    assert refusal.value.reason == (
        "A slice is missing between z = -112.5 and -107.5 mm (slice 2, slice 3): export the whole "
        "series again."
    )


@pytest.mark.parametrize(
    ("axis", "degrees", "expected"),
    [
        ((1.0, 0.0, 0.0), 90.0, "between y = "),
        ((0.0, 1.0, 0.0), 90.0, "between x = "),
        ((1.0, 0.0, 0.0), 30.0, "between ("),
    ],
    ids=["coronal", "sagittal", "oblique"],
)
def test_other_planes_name_the_coordinate_that_changes(
    axis: tuple[float, float, float], degrees: float, expected: str
) -> None:
    """On a coronal stack z says nothing."""
    scan = replace(TINY_SCAN, obliqueness=rotation(axis, degrees))

    _, reason = the_fault([2.5, 2.5, 5.0, 2.5], scan)

    assert expected in reason


@pytest.mark.parametrize(
    "gaps",
    [
        [2.5] * 5 + [5.0] * 3,
        [5.0] * 3 + [2.5] * 5,
        [2.5] * 3 + [5.0] * 3 + [2.5] * 3,
        [2.5] * 4 + [3.75] + [5.0] * 4,
        [2.5] * 4 + [1.0] + [2.5] * 4,
        [2.5] * 4 + [1.0] + [2.5] * 2,
        [2.5] * 4 + [3.5] + [2.5] * 4,
        [2.0, 2.5, 3.5] * 5,
        [0.6, 0.6, 0.7, 0.6, 0.6, 0.6, 0.7],
    ],
    ids=[
        "thin then thick",
        "thick then thin",
        "thick in between",
        "half way between",
        "one narrow",
        "one narrow near the end",
        "wider by less than a slice",
        "three in turn",
        "rounded to tenths",
    ],
)
def test_uneven_but_complete_spacing_is_taken_with_a_warning(gaps: list[float]) -> None:
    """Every slice keeps its own position; nothing is resampled on a mean."""
    assert judge(places(gaps)) == ["uneven-spacing"]


@pytest.mark.parametrize(
    ("gaps", "fault"),
    [
        ([2.5] * 4 + [4.1] + [2.5] * 4, "odd-gap"),
        ([2.5] * 4 + [30.0] + [2.5] * 4, "missing-slice"),
        ([2.5] * 4 + [31.0] + [2.5] * 4, "odd-gap"),
        ([2.5] * 4 + [7.5] + [5.0] * 4, "missing-slice"),
        ([2.5] * 5 + [5.0] + [2.5] * 2 + [5.0] * 3, "missing-slice"),
        ([2.5] * 5 + [5.0] * 2, "missing-slice"),
        ([2.5, 5.0] * 4, "missing-slice"),
        ([5.0, 2.5, 5.0], "missing-slice"),
        ([2.5] * 4 + [5.0, 7.5] + [2.5] * 4, "missing-slice"),
        ([2.5, 5.0], "missing-slice"),
        ([2.5, 4.5], "odd-gap"),
        ([1.0, 2.5, 2.5], "odd-gap"),
    ],
    ids=[
        "1.6 steps",
        "12 steps",
        "12.4 steps",
        "where the spacing changes",
        "just before it changes",
        "two at the end",
        "every third slice lost",
        "more lost than kept",
        "two different gaps",
        "of three slices",
        "of three slices, odd",
        "of four slices, too few to know their spacing",
    ],
)
def test_a_wide_gap_that_stands_alone_is_refused(gaps: list[float], fault: str) -> None:
    """Tissue lies in it that no slice shows, and nobody can tell whether there was one."""
    found, reason = the_fault(gaps)

    assert found == fault
    assert "between z = " in reason


@pytest.mark.parametrize("degrees", [1.0, 15.0, -30.0])
def test_a_tilted_gantry_is_refused_with_its_angle(degrees: float) -> None:
    """Slices shifted within their planes are no box of voxels."""
    grid = grid_of(TINY_SCAN)
    heights = grid.axes_mm[0][:, None]
    sheared = grid.positions_mm + heights * np.tan(np.radians(degrees)) * grid.column_direction

    with pytest.raises(SeriesRefusedError, match=rf"{abs(degrees):.1f} degrees") as refusal:
        check_spacing(headers_of(grid), replace(grid, positions_mm=sheared))

    assert refusal.value.fault == "gantry-tilt"
    assert "slice 7" in refusal.value.reason


def test_one_slice_that_slipped_sideways_is_refused() -> None:
    """The same fault in a single slice."""
    grid = grid_of(TINY_SCAN)
    grid.positions_mm[4] += 0.4 * grid.row_direction

    with pytest.raises(SeriesRefusedError, match=r"slice 4 is shifted 0\.4 mm"):
        check_spacing(headers_of(grid), grid)


def test_direction_cosines_of_four_decimals_are_no_tilt() -> None:
    """Over a whole body their rounding adds up to more than a tenth of a pixel."""
    scan = replace(TINY_SCAN, slice_offsets_mm=tuple(np.arange(500) * 3.0))
    grid = grid_of(scan)
    turned = grid.positions_mm + np.outer(grid.axes_mm[0], 0.9e-4 * grid.row_direction)

    assert check_spacing(headers_of(grid), replace(grid, positions_mm=turned)) == []


@pytest.mark.parametrize(
    ("scan", "fault"),
    [
        (replace(TINY_SCAN, row_spacing_mm=0.01), "pixel-spacing"),
        (replace(TINY_SCAN, column_spacing_mm=25.0), "pixel-spacing"),
        (replace(TINY_SCAN, rows=1000, row_spacing_mm=2.0), "implausible-extent"),
        (
            replace(TINY_SCAN, slice_offsets_mm=tuple(np.arange(600) * 5.0)),
            "implausible-extent",
        ),
        (
            replace(TINY_SCAN, slice_offsets_mm=tuple(np.arange(8) * 12.0)),
            "slices-too-far-apart",
        ),
        (
            replace(TINY_SCAN, slice_offsets_mm=(0, 2.5, 5, 7.5, 10, 40, 70, 100)),
            "slices-too-far-apart",
        ),
    ],
    ids=["micrometres", "centimetres", "wide", "long", "far apart", "far apart at the end"],
)
def test_sizes_that_no_patient_has_are_refused(scan: Scan, fault: str) -> None:
    """A unit was mistaken, or it is no scan for planning."""
    with pytest.raises(SeriesRefusedError, match="mm") as refusal:
        judge(scan.slice_offsets_mm, scan)

    assert refusal.value.fault == fault


@pytest.mark.parametrize(
    ("scan", "name"),
    [
        (replace(TINY_SCAN, slice_offsets_mm=tuple(np.arange(8) * 6.0)), "wide-spacing"),
        (replace(TINY_SCAN, row_spacing_mm=3.5), "coarse-pixels"),
    ],
)
def test_coarse_scans_are_taken_with_a_warning(scan: Scan, name: str) -> None:
    """Small structures may fall between the slices."""
    assert judge(scan.slice_offsets_mm, scan) == [name]
