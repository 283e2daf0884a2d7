"""Contours: outlines as closed lines in the patient, ready for a structure set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon

from contouring.grid import Grid
from contouring.keyholes import join_holes
from contouring.notices import Notice
from contouring.outlines import TracedStructure
from contouring.structures import Structure
from contouring.template import HoleEncoding

CLOSED_PLANAR = "CLOSED_PLANAR"
CLOSED_PLANAR_XOR = "CLOSEDPLANAR_XOR"


@dataclass(frozen=True, eq=False)
class Contour:
    """One closed planar contour; the first point is not repeated.

    `points_mm`: (n, 3) patient coordinates (LPS), all on the plane of slice `slice_index`;
    `geometric_type`: Contour Geometric Type (3006,0042).
    """

    slice_index: int
    points_mm: NDArray[np.float64]
    geometric_type: str = CLOSED_PLANAR


@dataclass(frozen=True, eq=False)
class StructureContours:
    """All contours of a structure, its volume, and what a person should look at."""

    structure: Structure
    contours: tuple[Contour, ...]
    volume_cm3: float
    flags: tuple[Notice, ...] = ()


def draw_contours(traced: TracedStructure, grid: Grid, holes: HoleEncoding) -> tuple[Contour, ...]:
    """The contours of one structure, by slice, each point by its own slice's position.

    DICOM PS3.3 C.8.8.6.3 knows two ways of leaving a hole out: a keyhole, and lines that are
    combined by XOR, then all lines of the structure. Nested lines are what some systems write.
    """
    has_holes = any(outline.polygon.interiors for outline in traced.outlines)
    is_xor = has_holes and holes is HoleEncoding.XOR
    return tuple(
        Contour(
            outline.slice_index,
            grid.to_patient(outline.slice_index, ring[:, 1], ring[:, 0]),
            CLOSED_PLANAR_XOR if is_xor else CLOSED_PLANAR,
        )
        for outline in traced.outlines
        for ring in _rings(outline.polygon, holes)
    )


def _rings(polygon: Polygon, holes: HoleEncoding) -> Iterator[NDArray[np.float64]]:
    if holes is HoleEncoding.KEYHOLE:
        yield join_holes(polygon)
        return
    for ring in (polygon.exterior, *polygon.interiors):
        yield np.asarray(ring.coords, np.float64)[:-1]
