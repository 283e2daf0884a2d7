"""Where voxels stand in the patient."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.grid import Grid
from contouring.phantom_scan import Scan
from tests.contouring.grids import SCANS_AND_OBLIQUE, UNEVEN_SCAN, grid_of, name_of, voxels_mm


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_an_index_becomes_the_millimetres_of_the_standard_s_equation(scan: Scan) -> None:
    """PS3.3 C.7.6.2.1.1; rows and columns change places in no position."""
    grid = grid_of(scan)
    rows, columns = np.indices((scan.rows, scan.columns)).reshape(2, -1)

    planes = [
        grid.to_patient(k, rows * scan.row_spacing_mm, columns * scan.column_spacing_mm)
        for k in range(scan.shape_zyx[0])
    ]

    expected = voxels_mm(scan).reshape(scan.shape_zyx[0], -1, 3)
    assert np.abs(np.array(planes) - expected).max() < 1e-9


@pytest.mark.parametrize("scan", SCANS_AND_OBLIQUE, ids=name_of)
def test_coordinates_along_the_axes_lead_back_to_the_voxels(scan: Scan) -> None:
    """The lattice works in these coordinates alone."""
    grid = grid_of(scan)
    slices, rows, columns = np.meshgrid(*grid.axes_mm, indexing="ij")

    along_axes = np.stack([slices, rows, columns], axis=-1) @ grid.axis_directions

    assert np.abs(grid.positions_mm[0] + along_axes - voxels_mm(scan)).max() < 1e-9


@given(
    st.lists(st.floats(0.5, 7.0), min_size=2, max_size=8),
    st.floats(0, 60),
    st.floats(-40, 60),
    st.sampled_from(SCANS_AND_OBLIQUE),
)
def test_a_point_keeps_its_own_slice_s_plane(
    gaps: list[float], row_mm: float, column_mm: float, scan: Scan
) -> None:
    """A mean spacing would move contours along the patient where slices are uneven."""
    grid = grid_of(replace(scan, slice_offsets_mm=tuple(np.cumsum([-5.0, *gaps]).tolist())))
    last = len(gaps)

    (point,) = grid.to_patient(last, np.array([row_mm]), np.array([column_mm]))

    from_first = point - grid.positions_mm[0]
    assert from_first @ grid.normal == pytest.approx(sum(gaps), abs=1e-9)
    assert from_first @ grid.row_direction == pytest.approx(column_mm, abs=1e-9)
    assert from_first @ grid.column_direction == pytest.approx(row_mm, abs=1e-9)


def test_a_slice_that_was_moved_in_its_plane_takes_its_points_along() -> None:
    """Each slice's own ImagePositionPatient counts, not the first one's."""
    even = grid_of(UNEVEN_SCAN)
    positions = even.positions_mm.copy()
    positions[3] += (0.07, -0.04, 0.0)
    grid = replace(even, positions_mm=positions)

    moved, unmoved = (
        grid.to_patient(k, np.array([1.0]), np.array([2.0]))
        - even.to_patient(k, np.array([1.0]), np.array([2.0]))
        for k in (3, 4)
    )

    assert moved == pytest.approx(np.array([[0.07, -0.04, 0.0]]))
    assert unmoved == pytest.approx(np.zeros((1, 3)))


def test_the_axes_are_a_right_handed_unit_frame() -> None:
    """A mirrored frame would draw the left parotid on the right."""
    frames = [grid_of(scan).axis_directions for scan in SCANS_AND_OBLIQUE]

    for frame in frames:
        # slice, row-index and column-index axis: normal = row direction x column direction
        assert frame @ frame.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(frame) == pytest.approx(-1.0)


def test_spacings_are_medians_along_the_normal() -> None:
    """SliceThickness says nothing; one gap must not change the spacing of all."""
    grid = grid_of(UNEVEN_SCAN)

    assert grid.spacing_zyx_mm == pytest.approx((3.0, 1.7, 1.2))


@given(st.lists(st.floats(0.5, 7.0), min_size=1, max_size=12))
def test_slice_heights_share_out_the_scan_and_half_a_gap_at_either_end(gaps: list[float]) -> None:
    """Volumes are areas times these heights: no millimetre may be counted twice or lost."""
    grid = grid_of(replace(UNEVEN_SCAN, slice_offsets_mm=tuple(np.cumsum([0.0, *gaps]).tolist())))

    heights = grid.slice_heights_mm

    assert heights.sum() == pytest.approx(sum(gaps) + (gaps[0] + gaps[-1]) / 2)
    inner = [(before + after) / 2 for before, after in itertools.pairwise(gaps)]
    assert heights[1:-1] == pytest.approx(inner)


def test_a_single_slice_has_a_height_of_one_millimetre() -> None:
    """Nothing says how thick it is, and a volume of zero would look like a missing structure."""
    grid = Grid(np.zeros((1, 3)), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), (1.0, 1.0), 4, 4)

    assert grid.slice_heights_mm.tolist() == [1.0]
    assert grid.spacing_zyx_mm == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("position", "place"),
    [("HFS", "z = 13.0 mm"), ("FFS", "z = -13.0 mm"), ("HFDL", "z = 13.0 mm")],
)
def test_a_slice_is_named_by_its_number_and_its_place(position: str, place: str) -> None:
    """As people look it up in a planning system, whatever way slices run."""
    scan = replace(UNEVEN_SCAN, position=position, centre_mm=(0.0, 0.0, 0.0))

    assert grid_of(scan).slice_in_words(9).startswith(f"slice 10 of 10, {place}")
