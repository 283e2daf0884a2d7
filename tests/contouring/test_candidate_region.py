"""The candidate region: the same place on every lattice, and nothing of it lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from contouring.candidate_region import (
    BODY_MARGIN_MM,
    LOOK_MM,
    CandidateRegion,
    confine,
    dilate,
    find_body_box,
)
from contouring.lattice import Lattice, build_lattice, scan_box
from contouring.phantom_scan import Scan, even_offsets
from contouring.volume import CTVolume
from tests.contouring.grids import SCANS_AND_OBLIQUE, UNEVEN_SCAN, FloatArray, grid_of, name_of

COARSE_MM = (5.0, 4.0, 3.0)
BLOCK = (slice(1, 3), slice(2, 5), slice(4, 6))  # of the coarse samples, (z, y, x)
LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(2, 5), st.integers(1, 3), st.just(3), st.just(4)),
    elements=st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0]),  # ties are wanted
)


def block(scan: Scan) -> CandidateRegion:
    """Some samples of a coarse lattice over the whole scan."""
    lattice = build_lattice(grid_of(scan), COARSE_MM)
    mask = np.zeros(lattice.shape_zyx, bool)
    mask[BLOCK] = True
    return CandidateRegion(mask, lattice)


def points_mm(lattice: Lattice) -> list[FloatArray]:
    """Per CT axis the coordinate of every sample, as canonical arrays."""
    along_ct = np.meshgrid(*lattice.axes_mm, indexing="ij")
    return [lattice.to_canonical(values) for values in along_ct]


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_a_place_belongs_to_the_region_if_its_nearest_coarse_sample_does(scan: Scan) -> None:
    """In every patient position, between uneven slices too."""
    region = block(scan)
    fine = build_lattice(grid_of(scan))

    found = region.on(fine)

    wanted = np.ones(fine.shape_zyx, bool)
    for axis, places in enumerate(points_mm(fine)):
        coarse = points_mm(region.lattice)[axis][BLOCK]
        own = region.lattice.axes_mm[axis]
        nearest = own[np.abs(places[..., None] - own).argmin(axis=-1)]
        wanted &= (nearest >= coarse.min()) & (nearest <= coarse.max())
    assert np.array_equal(found, wanted)
    assert found.any()


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_the_box_holds_every_place_of_the_region(scan: Scan) -> None:
    """The segmenter is shown nothing beyond it."""
    region = block(scan)
    fine = build_lattice(grid_of(scan), (0.5, 0.5, 0.5))

    box = region.box(grid_of(scan))

    places = [values[region.on(fine)] for values in points_mm(fine)]
    for axis, inside in enumerate(places):
        assert box.low[axis] <= inside.min() < box.low[axis] + 0.51
        assert box.high[axis] - 0.51 < inside.max() <= box.high[axis]


def test_a_region_of_everything_is_the_whole_scan() -> None:
    """To its outermost voxels, which lie beyond the outermost coarse samples."""
    whole = replace(block(UNEVEN_SCAN), mask=np.ones_like(block(UNEVEN_SCAN).mask))

    box = whole.box(grid_of(UNEVEN_SCAN))

    axes = grid_of(UNEVEN_SCAN).axes_mm
    assert box.low == tuple(float(axis[0]) for axis in axes)
    assert box.high == tuple(float(axis[-1]) for axis in axes)
    assert whole.share == 1.0
    assert whole.on(build_lattice(grid_of(UNEVEN_SCAN))).all()


@pytest.mark.parametrize("reach_mm", [0.0, 3.0, 6.5])
def test_dilation_reaches_as_far_as_it_says_in_millimetres(reach_mm: float) -> None:
    """Along each axis by its own spacing."""
    lattice = build_lattice(grid_of(UNEVEN_SCAN), COARSE_MM)
    mask = np.zeros(lattice.shape_zyx, bool)
    mask[2, 4, 5] = True

    grown = dilate(mask, lattice, reach_mm)

    squares = sum(
        (values - values[2, 4, 5]) ** 2 for values in points_mm(lattice)
    )  # of the distance, mm2
    assert np.array_equal(grown, squares <= reach_mm**2 + 1e-6)


def test_between_uneven_slices_dilation_reaches_no_less_than_it_says() -> None:
    """A candidate too many costs time, one too few an organ."""
    lattice = build_lattice(grid_of(UNEVEN_SCAN))
    mask = np.zeros(lattice.shape_zyx, bool)
    mask[4, 10, 12] = True

    grown = dilate(mask, lattice, 5.0)

    squares = sum((values - values[4, 10, 12]) ** 2 for values in points_mm(lattice))
    assert grown[squares <= 25.0].all()


def test_dilating_nothing_gives_nothing_even_on_a_single_slice() -> None:
    """There is no nearest sample to measure to, nor a step between slices."""
    scan = replace(UNEVEN_SCAN, slice_offsets_mm=(0.0,))
    lattice = build_lattice(grid_of(scan))
    one = np.zeros(lattice.shape_zyx, bool)
    one[0, 5, 5] = True

    grown = [dilate(mask, lattice, 2.1) for mask in (np.zeros_like(one), one)]

    assert [int(mask.sum()) for mask in grown] == [0, 9]  # 1.7 x 1.2 mm: all eight neighbours


@given(LOGITS, st.data())
def test_outside_the_region_background_leads_by_what_another_led(
    logits: NDArray[np.float32], data: st.DataObject
) -> None:
    """No voxel outside is any organ's; none inside is changed."""
    wanted = data.draw(arrays.arrays(bool, logits.shape[1:]))
    confined = logits.copy()

    confine(confined, wanted)

    assert np.array_equal(confined[:, wanted], logits[:, wanted])
    assert np.array_equal(confined[1:], logits[1:])
    assert (confined[:, ~wanted].argmax(axis=0) == 0).all()
    second, best = np.sort(logits, axis=0)[-2:]
    lead = confined[0] - confined[1:].max(axis=0)
    assert np.array_equal(lead[~wanted], (best - second)[~wanted])


WIDE_MM = 2.0  # of the voxels of a wide field of view


def wide_ct(*blocks: tuple[slice, slice, slice]) -> CTVolume:
    """Air with solid blocks in it, 200 x 240 x 280 mm."""
    scan = Scan(
        slice_offsets_mm=even_offsets(100, WIDE_MM),
        columns=140,
        rows=120,
        column_spacing_mm=WIDE_MM,
        row_spacing_mm=WIDE_MM,
    )
    hu = np.full(scan.shape_zyx, -1000, np.int16)
    for block in blocks:
        hu[block] = 30
    return CTVolume(grid_of(scan), hu)


def test_the_body_s_box_holds_every_part_of_it_and_some_air() -> None:
    """A hand beside the head is part of the patient, a speck on the couch is not."""
    body = slice(30, 80), slice(40, 90), slice(50, 100)
    hand = slice(60, 80), slice(40, 60), slice(104, 124)
    speck = slice(0, 3), slice(0, 3), slice(0, 3)

    box = find_body_box(wide_ct(body, hand, speck))

    ct = wide_ct()
    for axis, low, high, (start, stop) in zip(
        ct.grid.axes_mm, box.low, box.high, [(30, 80), (40, 90), (50, 124)], strict=True
    ):
        assert axis[start] - BODY_MARGIN_MM - LOOK_MM <= low <= axis[start]
        assert axis[stop - 1] <= high <= axis[stop - 1] + BODY_MARGIN_MM + LOOK_MM


def test_where_nothing_is_the_body_s_box_is_the_scan() -> None:
    """The localizer then says that it finds nothing."""
    ct = wide_ct()

    assert find_body_box(ct) == scan_box(ct.grid)


def test_no_slice_of_the_body_is_left_out_behind_a_wide_gap() -> None:
    """The last one stands 60 mm from the one before it, which is more than the air around."""
    offsets_mm = (*(2.0 * number for number in range(19)), 96.0)
    scan = Scan(
        slice_offsets_mm=offsets_mm,
        columns=60,
        rows=60,
        column_spacing_mm=WIDE_MM,
        row_spacing_mm=WIDE_MM,
    )
    grid = grid_of(scan)
    hu = np.full(scan.shape_zyx, -1000, np.int16)
    hu[3:, 10:50, 10:50] = 30

    box = find_body_box(CTVolume(grid, hu))

    assert box.high[0] == grid.axes_mm[0][-1]
