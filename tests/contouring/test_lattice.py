"""Samples that a network sees: orientation, extent and interpolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.lattice import (
    BoxMm,
    Lattice,
    averaging_matrix,
    build_lattice,
    canonical_order,
    cubic_matrix,
    interpolation_matrix,
    kept_where_near,
    resample,
    scan_box,
    spacing_for_shape,
)
from contouring.phantom_scan import Scan, even_offsets
from tests.contouring.grids import (
    SCANS,
    SCANS_AND_OBLIQUE,
    UNEVEN_SCAN,
    FloatArray,
    grid_of,
    name_of,
    volume_of,
    voxels_mm,
)

POSITIONS = st.lists(st.floats(0.4, 6.0), min_size=1, max_size=12).map(
    lambda gaps: np.cumsum([0.0, *gaps])
)


def samples_mm(scan: Scan, lattice: Lattice) -> FloatArray:
    """(z, y, x, 3) patient points of a lattice's samples, canonical."""
    grid = grid_of(scan)
    axes = np.stack(np.meshgrid(*lattice.axes_mm, indexing="ij"), axis=-1)
    points = grid.positions_mm[0] + axes @ grid.axis_directions
    return np.stack([lattice.to_canonical(points[..., k]) for k in range(3)], axis=-1)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_canonical_arrays_run_towards_head_back_and_left(scan: Scan) -> None:
    """A network that was trained on one orientation must never see another."""
    points = samples_mm(scan, build_lattice(grid_of(scan)))

    assert (np.diff(points[..., 2], axis=0) > 0).all()
    assert (np.diff(points[..., 1], axis=1) > 0).all()
    assert (np.diff(points[..., 0], axis=2) > 0).all()


@pytest.mark.parametrize("scan", SCANS, ids=name_of)
def test_an_asymmetric_blob_stands_in_the_same_canonical_place_in_every_position(
    scan: Scan,
) -> None:
    """Left, back and head of the patient stay what they are however the patient lies."""
    target = np.add(scan.centre_mm, (6.0, 4.0, 5.0))
    scan = replace(scan, rows=30, columns=30, slice_offsets_mm=even_offsets(24, 1.5))
    ct = volume_of(scan, lambda points: 1000.0 * (np.abs(points - target).max(axis=-1) < 2.5))
    lattice = build_lattice(ct.grid, (1.5, 1.5, 1.5))

    seen = resample(ct.hu, ct.grid, lattice)

    place = np.argwhere(seen > 500).mean(axis=0) - (np.array(seen.shape) - 1) / 2
    assert place * 1.5 == pytest.approx([5.0, 4.0, 6.0], abs=1.0)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_turning_to_canonical_and_back_changes_nothing(scan: Scan) -> None:
    """Fields are turned back before they are traced."""
    lattice = build_lattice(grid_of(scan))
    along_ct = np.arange(np.prod(scan.shape_zyx)).reshape(scan.shape_zyx)

    canonical = lattice.to_canonical(along_ct)

    assert canonical.shape == lattice.shape_zyx
    assert np.array_equal(lattice.to_ct_axes(canonical), along_ct)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_a_native_lattice_is_the_ct_voxel_by_voxel(scan: Scan) -> None:
    """A model at the CT's own grid must see no interpolation at all."""
    ct = volume_of(scan, lambda points: points @ (3.0, 5.0, 7.0))
    lattice = build_lattice(ct.grid)

    seen = resample(ct.hu, ct.grid, lattice)

    assert np.array_equal(lattice.to_ct_axes(seen), ct.hu)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
@pytest.mark.parametrize("far", range(3))
def test_the_axis_that_is_far_from_what_is_asked_is_the_one_resampled(scan: Scan, far: int) -> None:
    """Axes are asked for as head, back and left, however the patient lies."""
    grid = grid_of(scan)
    native = build_lattice(grid)
    own = [float(np.median(np.diff(native.axes_mm[axis]))) for axis in native.order]
    asked = [1.9 * mm if axis == far else 1.3 * mm for axis, mm in enumerate(own)]

    kept = kept_where_near(grid, (asked[0], asked[1], asked[2]), 1.45)

    assert kept == tuple(mm if axis == far else None for axis, mm in enumerate(asked))


def test_a_native_lattice_of_a_box_holds_the_voxels_in_the_box_and_no_others() -> None:
    """A voxel on the side of the box counts as inside."""
    grid = grid_of(UNEVEN_SCAN)
    box = BoxMm((3.0, 1.7 * 4, 1.2 * 5 + 0.01), (12.0, 1.7 * 9, 1.2 * 8 + 0.01))

    slices, rows, columns = build_lattice(grid, box=box).axes_mm

    assert slices.tolist() == pytest.approx([3.0, 5.5, 8.0, 12.0])
    assert rows.tolist() == pytest.approx([1.7 * k for k in range(4, 10)])
    assert columns.tolist() == pytest.approx([1.2 * k for k in range(6, 9)])


@given(
    scan=st.sampled_from(SCANS),
    start=st.floats(0.0, 0.8),
    length=st.floats(0.01, 1.0),
    spacing=st.one_of(st.none(), st.floats(0.8, 9.0)),
    minimum=st.integers(1, 40),
)
def test_a_lattice_covers_its_box_and_grows_only_into_the_scan(
    scan: Scan, start: float, length: float, spacing: float | None, minimum: int
) -> None:
    """What is outside the scan must not be shown to a network that asked for more room."""
    grid = grid_of(scan)
    whole = scan_box(grid)
    low = tuple(start * high for high in whole.high)
    high = tuple(min(a + length * b, b) for a, b in zip(low, whole.high, strict=True))
    box = BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    cube = None if spacing is None else (spacing, spacing, spacing)

    lattice = build_lattice(grid, cube, box, (minimum, minimum, minimum))

    for axis, samples in enumerate(lattice.axes_mm):
        own = grid.axes_mm[axis]
        step = spacing or float(np.diff(own).max())
        assert samples[0] < low[axis] + (1e-5 if spacing else step)
        assert samples[-1] > high[axis] - (1e-5 if spacing else step)
        fitting = len(own) if spacing is None else int(own[-1] / spacing + 1e-6) + 1
        assert len(samples) >= min(minimum, fitting)
        if len(samples) <= fitting:
            assert samples[0] >= -1e-5
            assert samples[-1] <= own[-1] + 1e-5


@pytest.mark.parametrize("low", [0.0, 100.0, 217.5])
def test_a_lattice_that_just_fits_the_scan_is_not_pushed_out_of_it_by_rounding(low: float) -> None:
    """Slice positions carry rounding errors; a network at the CT's spacing meets them each time."""
    offsets = tuple(z / 10 for z in range(0, 2500, 25))
    scan = replace(UNEVEN_SCAN, slice_offsets_mm=offsets, centre_mm=(0.0, 0.0, -713.3))
    grid = grid_of(scan)
    shrunk = replace(grid, positions_mm=grid.positions_mm * [1.0, 1.0, 1 - 1e-12])
    box = BoxMm((low, 5.0, 5.0), (low + 30.0, 20.0, 20.0))

    lattice = build_lattice(shrunk, (2.5, 2.5, 2.5), box, (128, 1, 1))

    assert lattice.axes_mm[0][0] == pytest.approx(0.0, abs=1e-6)
    assert lattice.axes_mm[0][-1] == pytest.approx(247.5, abs=1e-6)


def test_an_axis_without_a_spacing_keeps_the_scan_s_own_positions() -> None:
    """A network of two dimensions sees the slices as they lie, uneven or not."""
    scan = replace(UNEVEN_SCAN, position="FFDR")
    grid = grid_of(scan)
    (own, rows, columns), (first, second, third) = grid.axes_mm, canonical_order(grid)[0]

    lattice = build_lattice(grid, (None, 2.0, 3.0))

    assert (first, second, third) == (0, 2, 1)  # on the side: columns run backwards
    assert np.array_equal(lattice.axes_mm[0], own)
    assert np.diff(lattice.axes_mm[2]) == pytest.approx(2.0)
    assert np.diff(lattice.axes_mm[1]) == pytest.approx(3.0)
    assert np.ptp(lattice.axes_mm[2]) <= np.ptp(columns) + 2.0
    assert np.ptp(lattice.axes_mm[1]) <= np.ptp(rows) + 3.0


@pytest.mark.parametrize("scan", SCANS, ids=name_of)
def test_a_lattice_of_given_shape_spans_the_whole_scan(scan: Scan) -> None:
    """A localizer sees the scan from the first to the last voxel."""
    grid = grid_of(scan)
    spacing = spacing_for_shape(grid, (5, 6, 7))

    lattice = build_lattice(grid, spacing)

    assert lattice.shape_zyx == (5, 6, 7)
    for samples, own in zip(lattice.axes_mm, grid.axes_mm, strict=True):
        assert (samples[0], samples[-1]) == pytest.approx((own[0], own[-1]), abs=1e-5)


@given(POSITIONS, st.lists(st.floats(-9, 60), min_size=1, max_size=20))
def test_interpolation_weights_are_positive_and_sum_to_one(
    source: FloatArray, target: list[float]
) -> None:
    """Else a constant image would not stay constant."""
    matrix = interpolation_matrix(source, np.array(sorted(target)))

    assert matrix.min() >= 0
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert np.count_nonzero(matrix, axis=1).max() <= 2


@given(POSITIONS, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_interpolation_reproduces_linear_functions_between_uneven_slices(
    source: FloatArray, fractions: list[float]
) -> None:
    """The slope of a field says where its zero is."""
    target = np.array(sorted(fractions)) * source[-1]

    values = interpolation_matrix(source, target) @ (3.0 * source - 20.0)

    assert values == pytest.approx(3.0 * target - 20.0, abs=2e-4)


@given(st.integers(2, 12), st.floats(0.4, 5.0), st.lists(st.floats(-0.2, 1.2), max_size=20))
def test_cubic_weights_sum_to_one_and_reproduce_lines_up_to_both_ends(
    count: int, step: float, fractions: list[float]
) -> None:
    """An organ at the image's edge is as straight there as elsewhere."""
    source = step * np.arange(count)
    target = np.array(sorted(fractions)) * source[-1]

    matrix = cubic_matrix(source, target)

    line = matrix @ (3.0 * source - 20.0)
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert line == pytest.approx(3.0 * np.clip(target, 0, source[-1]) - 20.0, abs=1e-3)


def test_cubic_weights_reproduce_parabolas_within_the_ends() -> None:
    """Chords would cut every curved border short."""
    source = 0.9 * np.arange(12)
    target = np.linspace(0.9, 9.0, 50)

    values = cubic_matrix(source, target) @ (source**2)

    assert values == pytest.approx(target**2, abs=1e-4)


@given(POSITIONS)
def test_cubic_weights_reproduce_parabolas_between_uneven_slices(source: FloatArray) -> None:
    """Slices were added where the surgeon looked; borders bend there too."""
    source = np.concatenate([[-10.0, -5.0], source, [source[-1] + 5.0, source[-1] + 12.0]])
    target = np.linspace(source[1], source[-2], 40)

    values = cubic_matrix(source, target) @ (source**2)

    assert values == pytest.approx(target**2, rel=1e-4, abs=1e-2)


def test_cubic_weights_between_even_sources_are_those_of_cubic_convolution() -> None:
    """Half way: -1, 9, 9, -1 sixteenths (Keys 1981, a = -1/2)."""
    matrix = cubic_matrix(np.arange(6.0), np.array([2.5]))

    assert matrix == pytest.approx(np.array([[0, -1, 9, 9, -1, 0]]) / 16)


def test_interpolation_holds_the_end_values_beyond_the_ends() -> None:
    """Extrapolation would invent organs outside the scan."""
    matrix = interpolation_matrix(np.array([0.0, 2.0, 5.0]), np.array([-4.0, 9.0]))

    assert matrix.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@given(POSITIONS, st.floats(1.0, 9.0))
def test_averaging_keeps_constants_and_reaches_a_source_everywhere(
    source: FloatArray, step: float
) -> None:
    """Also where a gap between slices is wider than the step."""
    target = np.arange(0.0, source[-1] + step, step)

    matrix = averaging_matrix(source, target)

    assert np.isfinite(matrix).all()
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_averaging_quiets_noise_that_interpolation_would_alias() -> None:
    """A coarse localizer sees organs, not the noise of single voxels."""
    source, target = np.arange(0.0, 100.0), np.arange(0.3, 99.0, 4.0)

    variance = {
        build.__name__: float((build(source, target)[1:-1] ** 2).sum(axis=1).mean())
        for build in (averaging_matrix, interpolation_matrix)
    }

    assert variance["averaging_matrix"] < 0.25
    assert variance["interpolation_matrix"] > 0.5


def test_averaging_moves_nothing_within_the_scan() -> None:
    """A centre of weight beside the sample would shift what the network sees."""
    source, target = np.arange(0.0, 100.0, 0.9766), np.arange(6.0, 90.0, 2.5)

    centres = averaging_matrix(source, target) @ source

    assert np.abs(centres - target).max() < 0.05


def test_averaging_is_interpolation_where_slices_are_wider_apart_than_the_samples() -> None:
    """One wide gap must not blur the slices of the rest, nor move what lies in it."""
    source = np.concatenate([np.arange(0.0, 30.0, 1.0), np.arange(35.0, 80.0, 5.0)])
    target = np.arange(0.0, 75.0, 2.0)
    in_gaps = target > 30.0
    far_below = target < 26.0

    matrix = averaging_matrix(source, target)

    assert np.array_equal(matrix[in_gaps], interpolation_matrix(source, target)[in_gaps])
    reach = np.abs(source[None, :] - target[:, None]) * (matrix > 0)
    assert reach[far_below].max() < 2.0


def test_averaging_at_equal_spacing_is_interpolation() -> None:
    """At the network's own spacing nothing is blurred."""
    source, target = np.arange(0.0, 50.0, 2.5), np.arange(1.1, 45.0, 2.5)

    averaged = averaging_matrix(source, target)

    assert averaged == pytest.approx(interpolation_matrix(source, target), abs=1e-6)


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_a_ramp_in_the_patient_is_the_same_ramp_at_the_lattice_s_places(scan: Scan) -> None:
    """Resampling may neither shift by half a voxel nor flip an axis, in any position."""
    centre = voxels_mm(scan).reshape(-1, 3).mean(axis=0)
    slope = np.array([11.0, -17.0, 23.0])
    ct = volume_of(scan, lambda points: (points - centre) @ slope)
    lattice = build_lattice(ct.grid, (1.3, 1.1, 1.0), BoxMm((1, 1, 1), (26, 30, 28)))

    seen = resample(ct.hu, ct.grid, lattice)

    expected = (samples_mm(scan, lattice) - centre) @ slope
    assert np.abs(seen - expected).max() < 0.6  # HU are whole numbers
