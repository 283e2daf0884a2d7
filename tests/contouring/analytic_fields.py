"""Structures whose fields are functions of the place in the patient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from contouring.contours import StructureContours, draw_contours
from contouring.grid import Grid
from contouring.lattice import BoxMm, build_lattice
from contouring.masks import StructureField
from contouring.outlines import trace_outlines
from contouring.phantom_scan import Scan
from contouring.structures import Structure
from contouring.template import HoleEncoding
from contouring.volume import CTVolume
from tests.contouring.grids import FloatArray, grid_of

FieldOf = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def analytic_field(
    scan: Scan,
    field_mm: FieldOf,
    name: str = "Organ",
    spacing_zyx_mm: tuple[float, float, float] | None = None,
    box: BoxMm | None = None,
) -> StructureField:
    """A field of patient x, y and z sampled on a lattice of the scan."""
    grid = grid_of(scan)
    lattice = build_lattice(grid, spacing_zyx_mm, box)
    axes = np.stack(np.meshgrid(*lattice.axes_mm, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.positions_mm[0] + axes @ grid.axis_directions, -1, 0)
    along_ct = np.asarray(field_mm(x, y, z), np.float32)
    structure = Structure(1, name, (255, 0, 0))
    return StructureField(structure, np.ascontiguousarray(lattice.to_canonical(along_ct)), lattice)


def empty_ct(scan: Scan) -> CTVolume:
    """A CT of water."""
    return CTVolume(grid_of(scan), np.zeros(scan.shape_zyx, np.int16))


def trace_contours(selected: StructureField, grid: Grid) -> StructureContours:
    """The contours of one structure on every slice that it crosses, holes as keyholes."""
    traced = trace_outlines(selected, grid)
    drawn = draw_contours(traced, grid, HoleEncoding.KEYHOLE)
    return StructureContours(selected.structure, drawn, traced.volume_cm3)
