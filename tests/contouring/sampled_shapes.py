"""Shapes with a closed form, sampled as a structure's field on a fine scan of uneven slices."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np

from contouring.contours import StructureContours
from contouring.lattice import BoxMm, build_lattice
from contouring.masks import StructureField
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import (
    Ellipsoid,
    HollowTube,
    Separate,
    Shape,
    Shell,
    Sphere,
    Torus,
    rotation,
)
from contouring.structures import Structure
from tests.contouring.grids import SCANS_AND_OBLIQUE, FloatArray, grid_of

ORGAN = Structure(1, "Organ", (255, 0, 0))
FINE_SCAN = Scan(
    rows=70,
    columns=80,
    row_spacing_mm=0.9,
    column_spacing_mm=1.0,
    slice_offsets_mm=(-21, -18, -15, -12, -10.5, -9, -6, -3.5, 0, 2, 5, 8, 10, 13, 16, 18.5, 21),
    centre_mm=(-12.0, 30.0, -400.0),
)
FINE_SCANS = [
    replace(FINE_SCAN, position=scan.position, obliqueness=scan.obliqueness)
    for scan in SCANS_AND_OBLIQUE
]


def at(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A place relative to the middle of the scans."""
    cx, cy, cz = FINE_SCAN.centre_mm
    return (cx + x, cy + y, cz + z)


SHAPES: dict[str, Shape] = {
    "ball": Sphere(at(1.3, -2.1, 0.4), 14.0),
    "ellipsoid": Ellipsoid(at(2, 1, 0), (22, 12, 10), rotation((1.0, -2.0, 0.5), 35.0)),
    "shell": Shell(at(-1, 2, 0.5), 17.0, 10.0),
    "ring": HollowTube(at(3.2, -1.1, 0.0), 18.0, 9.0, 12.2),
    "torus": Torus(at(0, 0, 0), (1.0, 0.0, 0.0), 13.0, 5.0),
    "two parts": Separate((Sphere(at(-14, 3, 1), 9.0), Sphere(at(15, -4, 2), 7.0))),
}


def selected(
    scan: Scan, field_mm: object, spacing_mm: float | None = None, box: BoxMm | None = None
) -> StructureField:
    """A field of patient x, y and z sampled on a lattice of the scan."""
    grid = grid_of(scan)
    cube = None if spacing_mm is None else (spacing_mm, spacing_mm + 0.5, spacing_mm + 1.0)
    lattice = build_lattice(grid, cube, box)
    axes = np.stack(np.meshgrid(*lattice.axes_mm, indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.positions_mm[0] + axes @ grid.axis_directions, -1, 0)
    along_ct = np.asarray(field_mm(x, y, z), np.float32)  # type: ignore[operator]
    return StructureField(ORGAN, np.ascontiguousarray(lattice.to_canonical(along_ct)), lattice)


def by_slice(traced: StructureContours) -> dict[int, list[FloatArray]]:
    """Points as a file would hold them, in micrometres, by slice."""
    drawn: dict[int, list[FloatArray]] = defaultdict(list)
    for contour in traced.contours:
        drawn[contour.slice_index].append(np.round(contour.points_mm, 3))
    return drawn
