"""Small things on which a contour's place hangs."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, Polygon

from contouring.keyholes import join_holes
from contouring.masks import select_structures
from contouring.outlines import trace_outlines
from contouring.roi_names import mark_cut
from contouring.structures import Structure
from tests.contouring.grids import UNEVEN_SCAN, grid_of
from tests.contouring.predictors import fields_of
from tests.contouring.rings import shoelace_area

# Two prongs whose ends lie on one line; the corner that comes first decides which end a careless
# search would take.
PRONGS = [(0, 0), (10, 0), (10, 10), (6, 10), (6, 4), (5, 4), (5, 10), (0, 10)]
IN_LEFT_PRONG = [(2, 9), (3, 9), (3, 9.5), (2, 9.5)]
IN_RIGHT_PRONG = [(7.5, 9), (8.5, 9), (8.5, 9.5), (7.5, 9.5)]


@pytest.mark.parametrize(
    ("first_corner", "hole"), [(0, IN_LEFT_PRONG), (6, IN_RIGHT_PRONG)], ids=["left", "right"]
)
def test_a_bridge_ends_on_the_side_it_reaches_not_on_one_in_line_with_it(
    first_corner: int, hole: list[tuple[float, float]]
) -> None:
    """Else the line would run across the gap between two parts of the organ and back."""
    polygon = shapely.orient_polygons(Polygon(np.roll(PRONGS, -first_corner, axis=0), [hole]))

    ring = join_holes(polygon)

    line = LineString(np.vstack([ring, ring[:1]]))
    assert polygon.buffer(1e-6).covers(line)
    assert shoelace_area(ring) == pytest.approx(polygon.area)


@pytest.mark.parametrize(("limit", "marked"), [(8, "C~_PRV05"), (7, "Cord_PRV05")])
def test_the_mark_needs_one_letter_of_the_organ(limit: int, marked: str) -> None:
    """A mark and qualifiers alone would name nothing."""
    assert mark_cut("Cord_PRV05", limit) == marked


def test_traced_contours_know_whose_they_are() -> None:
    """Name, colour and code are written from the structure that comes along."""
    along_ct = np.full(UNEVEN_SCAN.shape_zyx, -1.0)
    along_ct[4, 5:12, 6:15] = 1.0
    structure = Structure(1, "Box", (1, 2, 3))
    grid = grid_of(UNEVEN_SCAN)
    (selected,) = select_structures(
        fields_of(grid, [np.zeros_like(along_ct), along_ct]), (structure,)
    )

    traced = trace_outlines(selected, grid)

    assert traced.structure is structure
    assert [outline.slice_index for outline in traced.outlines] == [4]
