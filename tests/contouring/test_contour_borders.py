"""Contours end where the image, a box or the structure itself does."""

from __future__ import annotations

import numpy as np
import pytest

from contouring.lattice import BoxMm, Lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_deviation import in_plane_mm
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import Sphere
from tests.contouring.analytic_fields import trace_contours
from tests.contouring.grids import grid_of, name_of
from tests.contouring.sampled_shapes import FINE_SCAN, FINE_SCANS, ORGAN, at, selected


@pytest.mark.parametrize("spacing_mm", [None, 3.0])
@pytest.mark.parametrize("scan", FINE_SCANS, ids=name_of)
def test_a_structure_that_fills_the_image_ends_at_the_outer_side_of_its_last_pixels(
    scan: Scan, spacing_mm: float | None
) -> None:
    """The half pixel beyond the last centre is seen by the scanner too, and no more is."""
    field = selected(scan, lambda x, y, z: 3.0 + 0 * x, spacing_mm)

    traced = trace_contours(field, grid_of(scan))

    assert [c.slice_index for c in traced.contours] == list(range(scan.shape_zyx[0]))
    for contour in traced.contours:
        across, down = in_plane_mm(scan, contour.slice_index, contour.points_mm).T
        assert (across.min(), across.max()) == pytest.approx((-0.5, 79.5), abs=0.01)
        assert (down.min(), down.max()) == pytest.approx((-0.45, 69.5 * 0.9), abs=0.01)


def test_a_structure_that_is_cut_by_the_image_s_edge_is_traced_up_to_it() -> None:
    """The part that is seen must be where it is, whatever is missing."""
    shape = Sphere(at(-39.0, 4.0, 0.0), 15.0)

    traced = trace_contours(selected(FINE_SCAN, shape.field_mm), grid_of(FINE_SCAN))

    assert len(traced.contours) >= 9
    for contour in traced.contours:
        across, _ = in_plane_mm(FINE_SCAN, contour.slice_index, contour.points_mm).T
        inner = across > 0.8
        field = shape.field_mm(*contour.points_mm[inner].T)
        assert across.min() >= -0.5 - 0.06
        assert np.abs(field).max() < 0.1


@pytest.mark.parametrize("spacing_mm", [None, 3.0])
def test_samples_that_all_say_outside_are_never_drawn(spacing_mm: float | None) -> None:
    """A faint streak in a sure background must not become an organ by overshoot."""
    shape = Sphere(at(-20.0, 0.0, 0.0), 12.0)
    field = selected(
        FINE_SCAN, lambda x, y, z: np.clip(20 * shape.field_mm(x, y, z), -20, 20), spacing_mm
    )
    along_ct = field.lattice.to_ct_axes(field.field)
    middle = along_ct.shape[2] * 3 // 4
    along_ct[:, :, middle : middle + 2] = -0.2

    traced = trace_contours(field, grid_of(FINE_SCAN))

    assert traced.contours
    for contour in traced.contours:
        assert shape.field_mm(*contour.points_mm.T).min() > -4.0


def test_a_field_in_a_box_is_traced_on_the_slices_within_the_box_only() -> None:
    """Beyond the box the network has said nothing."""
    grid = grid_of(FINE_SCAN)
    box = BoxMm((8.9, 12.0, 14.0), (23.1, 40.0, 50.0))

    traced = trace_contours(selected(FINE_SCAN, lambda x, y, z: 3.0 + 0 * x, None, box), grid)

    heights = grid.axes_mm[0][[c.slice_index for c in traced.contours]]
    assert heights.tolist() == [9.0, 10.5, 12.0, 15.0, 17.5, 21.0, 23.0]


def test_specks_are_not_drawn() -> None:
    """A contour of a tenth of a pixel breaks readers and means nothing."""
    shape = Sphere(at(0.5, 0.4, 0.0), 0.25)

    traced = trace_contours(selected(FINE_SCAN, shape.field_mm), grid_of(FINE_SCAN))

    assert traced.contours == ()
    assert traced.volume_cm3 == 0


def test_a_box_between_pixel_centres_has_no_outline() -> None:
    """Fine samples between two columns of the CT: nothing of it can be drawn on its pixels."""
    field = selected(FINE_SCAN, lambda x, y, z: 1.0 + 0 * x)
    slices, rows, _ = field.lattice.axes_mm
    narrow = Lattice((slices, rows, np.array([10.3, 10.6])), *build_order(field))
    values = np.ones(narrow.shape_zyx, np.float32)

    traced = trace_outlines(StructureField(ORGAN, values, narrow), grid_of(FINE_SCAN))

    assert traced.outlines == ()


def build_order(field: StructureField) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """How a field's array lies in the CT."""
    return field.lattice.order, field.lattice.flipped
