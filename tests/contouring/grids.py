"""Grids without files: small scans of every patient position, and volumes on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from contouring.grid import Grid
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from contouring.phantom_shapes import rotation
from contouring.volume import CTVolume

FloatArray = NDArray[np.float64]

# No two sides, spacings or centres are alike, so that no swapped axis can pass.
UNEVEN_SCAN = Scan(
    rows=20,
    columns=26,
    row_spacing_mm=1.7,
    column_spacing_mm=1.2,
    slice_offsets_mm=(-14.0, -11.0, -8.5, -6.0, -2.0, 0.5, 3.0, 6.5, 10.0, 13.0),
    centre_mm=(31.0, -17.0, 240.0),
)
OBLIQUE_SCAN = replace(UNEVEN_SCAN, position="FFDR", obliqueness=rotation((1.0, -2.0, 0.7), 17.0))
SCANS = [replace(UNEVEN_SCAN, position=position) for position in PATIENT_POSITIONS]
SCANS_AND_OBLIQUE = [*SCANS, OBLIQUE_SCAN]


def name_of(scan: Scan) -> str:
    """What a parametrised test is called for a scan."""
    return scan.position if scan is not OBLIQUE_SCAN else "oblique"


def grid_of(scan: Scan) -> Grid:
    """The grid that a series of the scan has."""
    return Grid(
        positions_mm=np.stack([scan.origin_mm(k) for k in range(scan.shape_zyx[0])]),
        row_direction=scan.row_direction,
        column_direction=scan.column_direction,
        pixel_spacing_mm=(scan.row_spacing_mm, scan.column_spacing_mm),
        rows=scan.rows,
        columns=scan.columns,
    )


def voxels_mm(scan: Scan) -> FloatArray:
    """(slices, rows, columns, 3) patient points of all voxel centres, by the scan's own account."""
    first = np.array([scan.pixel_mm(k, 0, 0) for k in range(scan.shape_zyx[0])])
    down = scan.pixel_mm(0, 1, 0) - scan.pixel_mm(0, 0, 0)
    across = scan.pixel_mm(0, 0, 1) - scan.pixel_mm(0, 0, 0)
    rows, columns = np.arange(scan.rows), np.arange(scan.columns)
    in_plane = rows[:, None, None] * down + columns[None, :, None] * across
    points: FloatArray = first[:, None, None, :] + in_plane
    return points


def volume_of(scan: Scan, hu_at: Callable[[FloatArray], FloatArray]) -> CTVolume:
    """A CT whose HU is a function of the patient points (..., 3)."""
    return CTVolume(grid_of(scan), np.rint(hu_at(voxels_mm(scan))).astype(np.int16))
