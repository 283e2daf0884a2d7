"""Outlines: the zero lines of a structure's field on each of the CT's own slice planes.

They are traced between voxel centres (marching squares on a cubic refinement of the field), so
they are as smooth as the field and do not run through pixel centres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import contourpy
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from contouring.grid import Grid
from contouring.masks import StructureField
from contouring.planes import Plane, cut_planes
from contouring.simplification import simplify
from contouring.structures import Structure

LEAST_AREA_MM2 = 0.5  # half a pixel of a planning CT: smaller pieces are specks
OuterOffset = tuple[list[NDArray[np.float64]], list[NDArray[np.uint32]]]


@dataclass(frozen=True, eq=False)
class Outline:
    """One part of a structure on one slice.

    `polygon`: (column mm, row mm) from the first pixel's centre, valid, holes as interiors, the
    outer ring counter-clockwise; it stays valid when it is rounded to 0.001 mm.
    """

    slice_index: int
    polygon: Polygon


@dataclass(frozen=True, eq=False)
class TracedStructure:
    """All outlines of a structure, by slice, ascending; none if nothing of it can be drawn.

    `volume_cm3`: areas, holes taken off, times the height of their slices.
    """

    structure: Structure
    outlines: tuple[Outline, ...]
    volume_cm3: float


def trace_outlines(selected: StructureField, grid: Grid) -> TracedStructure:
    """The outlines of one structure on every slice that it crosses.

    Parts and holes below `LEAST_AREA_MM2` are left out.
    """
    outlines = tuple(
        Outline(plane.slice_index, polygon)
        for plane in cut_planes(selected, grid)
        for whole in _traced(plane)
        for polygon in simplify(whole, LEAST_AREA_MM2)
    )
    heights_mm = grid.slice_heights_mm
    volume_mm3 = sum(line.polygon.area * float(heights_mm[line.slice_index]) for line in outlines)
    return TracedStructure(selected.structure, outlines, volume_mm3 / 1000.0)


def _traced(plane: Plane) -> Iterator[Polygon]:
    generator = contourpy.contour_generator(
        plane.columns_mm, plane.rows_mm, plane.values, fill_type=contourpy.FillType.OuterOffset
    )
    outlines = cast(OuterOffset, generator.filled(0.0, np.inf))
    for points, offsets in zip(*outlines, strict=True):
        rings = np.split(points, offsets[1:-1])
        yield Polygon(rings[0], rings[1:])
