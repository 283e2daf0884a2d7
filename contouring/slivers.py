"""Differences between a file's lines and a field that catch a voxel's centre, but hardly any area.

Where a network wavers, its field is barely above or below zero along a row of voxels: a thread or a
notch a tenth of a millimetre wide. Who draws lines cuts the one off and closes the other. On a
coarse grid a voxel's centre in it stands for 15 mm², of which one or two are meant.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from contouring.contour_shapes import FloatArray
from contouring.field_voxels import read_places
from contouring.grid import Grid
from contouring.masks import StructureField
from contouring.rasters import fill_even_odd

AROUND_PIXELS = 2.5  # on each side; what differs beyond is no sliver
STEP_MM = 0.1


def measure_difference_mm2(
    voxel: tuple[int, int, int],
    rings: Sequence[FloatArray],
    selected: StructureField,
    grid: Grid,
    drawn_mm: float,
) -> float:
    """The area around a voxel's centre (slice, row, column) over which file and field differ.

    `rings`: row and column indices (n, 2) of the polygons on its slice. Infinite if the area goes
    on beyond `AROUND_PIXELS`. Places within `drawn_mm` of a line count as agreeing.
    """
    slice_index, *centre = voxel
    spacing_mm = np.array(grid.pixel_spacing_mm)
    steps = np.ceil(spacing_mm / STEP_MM).astype(int)  # per pixel, along rows and columns
    reach = np.round(AROUND_PIXELS * steps).astype(int)
    rows, columns = (
        place + np.arange(-side, side + 1) / per_pixel
        for place, side, per_pixel in zip(centre, reach, steps, strict=True)
    )
    in_field = read_places(selected, grid, slice_index, rows, columns)
    in_file = np.zeros_like(in_field)
    for ring in rings:
        fine = (ring - centre) * steps + reach
        in_file ^= fill_even_odd(fine[:, 0], fine[:, 1], in_file.shape)
    differs = in_file != in_field
    differs[differs] = ~_near_lines(
        np.argwhere(differs), rings, (rows, columns), spacing_mm, drawn_mm
    )
    parts, _ = ndimage.label(differs)
    part = parts == parts[tuple(reach)]
    if part[[0, -1]].any() or part[:, [0, -1]].any():
        return float("inf")
    return float(part.sum() * np.prod(spacing_mm / steps))


def _near_lines(
    places: NDArray[np.intp],
    rings: Sequence[FloatArray],
    axes: tuple[FloatArray, FloatArray],
    spacing_mm: FloatArray,
    drawn_mm: float,
) -> NDArray[np.bool_]:
    rows, columns = axes
    points_mm = np.stack([rows[places[:, 0]], columns[places[:, 1]]], axis=1) * spacing_mm
    lines = shapely.MultiLineString([shapely.LinearRing(ring * spacing_mm) for ring in rings])
    return np.asarray(shapely.dwithin(shapely.points(points_mm), lines, drawn_mm))
