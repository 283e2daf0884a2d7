"""Fields between their samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.field_samples import sample_planes
from contouring.lattice import BoxMm
from contouring.phantom_scan import Scan, even_offsets
from tests.contouring.analytic_fields import analytic_field
from tests.contouring.grids import SCANS_AND_OBLIQUE, grid_of, name_of

SCAN = Scan(
    rows=20,
    columns=24,
    row_spacing_mm=1.5,
    column_spacing_mm=1.0,
    slice_offsets_mm=(-12.0, -9.0, -7.5, -4.0, -1.0, 1.0, 4.5, 8.0, 11.0),
)


@pytest.mark.parametrize("scan", [SCAN, *SCANS_AND_OBLIQUE], ids=name_of)
def test_at_its_samples_a_field_is_what_it_is(scan: Scan) -> None:
    """In every patient position; contours on the CT's own slices lose nothing."""
    field = analytic_field(scan, lambda x, y, z: 2.0 * x - 3.0 * y + z + 11.0)

    planes = np.stack(list(sample_planes(field, grid_of(scan).axes_mm)))

    assert planes == pytest.approx(field.lattice.to_ct_axes(field.field), abs=1e-3)


def test_a_field_of_zero_is_nobody_s() -> None:
    """Where two structures are equally likely, neither is drawn."""
    field = analytic_field(SCAN, lambda x, y, z: 0.0 * (x + y + z))

    planes = np.stack(list(sample_planes(field, grid_of(SCAN).axes_mm)))

    assert planes.dtype == np.float32
    assert (planes < 0).all()


@given(curvature=st.tuples(*[st.floats(-0.05, 0.05)] * 3))
def test_a_parabola_is_met_between_uneven_samples(curvature: tuple[float, float, float]) -> None:
    """Linear interpolation would cut it short."""
    a, b, c = curvature
    x0, y0, z0 = SCAN.centre_mm

    def parabola(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.asarray(40.0 + a * (x - x0) ** 2 + b * (y - y0) ** 2 + c * (z - z0) ** 2)

    field = analytic_field(SCAN, parabola)
    grid = grid_of(SCAN)
    slices, rows, columns = grid.axes_mm
    targets = (
        np.linspace(slices[1], slices[-2], 23),
        np.linspace(rows[1], rows[-2], 31),
        np.linspace(columns[1], columns[-2], 37),
    )

    planes = np.stack(list(sample_planes(field, targets)))

    places = np.stack(np.meshgrid(*targets, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.positions_mm[0] + places @ grid.axis_directions, -1, 0)
    assert planes == pytest.approx(parabola(x, y, z), abs=1e-3)


def test_between_samples_of_one_sign_overshoot_makes_no_border() -> None:
    """Cubic interpolation of 5, 5, 0.1, 0.1, 5, 5 dips below zero; nothing there says outside."""
    scan = replace(SCAN, slice_offsets_mm=even_offsets(6, 1.0))
    along_z = np.array([5.0, 5.0, 0.1, 0.1, 5.0, 5.0])
    field = analytic_field(scan, lambda x, y, z: np.interp(z, np.arange(6) - 2.5, along_z))
    slices, rows, columns = grid_of(scan).axes_mm
    targets = (np.linspace(slices[0], slices[-1], 41), rows, columns)

    inside = np.stack(list(sample_planes(field, targets)))
    outside = np.stack(list(sample_planes(replace(field, field=-field.field), targets)))

    assert (inside > 0).all()
    assert (outside < 0).all()


def test_beyond_its_samples_nothing_is_inside() -> None:
    """The network said nothing there."""
    box = BoxMm((3.0, 6.0, 5.0), (16.0, 20.0, 15.0))
    field = analytic_field(SCAN, lambda x, y, z: 2.0 + 0 * x, box=box)

    planes = np.stack(list(sample_planes(field, grid_of(SCAN).axes_mm)))

    within = np.ix_(
        *(
            (axis >= samples[0] - 1e-6) & (axis <= samples[-1] + 1e-6)
            for axis, samples in zip(grid_of(SCAN).axes_mm, field.lattice.axes_mm, strict=True)
        )
    )
    expected = np.full(planes.shape, -2.0)
    expected[within] = 2.0
    assert planes == pytest.approx(expected)
