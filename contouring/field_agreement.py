"""How well contours that were read from a file meet the field that they were drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from contouring.contour_shapes import FloatArray, share_inside, signed_area
from contouring.field_voxels import IN_SLICE, Box, read_field
from contouring.masks import StructureField
from contouring.rasters import dice, fill_rings
from contouring.slice_planes import SlicePlanes
from contouring.slivers import measure_difference_mm2
from contouring.structure_set_reader import ReadContour

# Simplified by 0.1 mm, then moved to hold the same area, then rounded to 0.001 mm.
DRAWN_MM = 0.15
# Parts below 0.5 mm² are not drawn: at most two voxel centres, or twice that area of fine pixels.
SPECK_VOXELS, SPECK_MM2 = 2, 1.0
# A sliver is smaller than a speck, or than a quarter of the pixel that it passes for.
SLIVER_PIXELS = 0.25
SLIVERS = 50  # strays that are looked at closely: more of them are no slivers


@dataclass(frozen=True)
class Agreement:
    """A structure in the file and in its field, at voxel centres, less specks that are not drawn.

    `dice_off_lines`: with voxels within `DRAWN_MM` of a line, or in a sliver, taken as agreeing;
    `strays`: voxels that then still disagree, `furthest_mm` how far from any line (infinite on a
    slice without one); `voxels`: of the field; `by_chance_cm3`: how much the volumes differ at most
    because so near to a line a voxel may fall on either side.
    """

    file_cm3: float
    field_cm3: float
    dice: float
    dice_off_lines: float
    strays: int
    furthest_mm: float
    voxels: int
    by_chance_cm3: float


def compare(
    contours: Sequence[ReadContour], planes: SlicePlanes, selected: StructureField
) -> Agreement:
    """Fill the contours, each on the slice that it names, and compare with the field's voxels."""
    rings = _rings(contours, planes)
    reached = read_field(selected, planes.series.grid)
    box = _around(reached.box, rings, planes)
    in_file = _filled(rings, box)
    in_field = _drawable(reached.within(box, in_file), in_file, _pixel_mm2(planes))
    voxel_cm3 = _voxel_cm3(planes)[box[0]]
    voxels, away_mm = _strays(in_file, in_field, rings, box, planes)
    is_stray = ~_are_slivers(voxels, rings, planes, selected)
    strays_mm = away_mm[is_stray]
    total = int(in_file.sum()) + int(in_field.sum())
    return Agreement(
        file_cm3=float(in_file.sum(axis=(1, 2)) @ voxel_cm3),
        field_cm3=float(in_field.sum(axis=(1, 2)) @ voxel_cm3),
        dice=dice(in_file, in_field),
        dice_off_lines=1 - len(strays_mm) / max(total, 1),
        strays=len(strays_mm),
        furthest_mm=float(strays_mm.max(initial=0.0)),
        voxels=int(in_field.sum()),
        by_chance_cm3=_by_chance_cm3(rings, planes),
    )


def field_cm3(planes: SlicePlanes, selected: StructureField) -> float:
    """The volume of a field's voxels, without specks that nobody would draw."""
    reached = read_field(selected, planes.series.grid)
    nothing = np.zeros_like(reached.inside)
    drawable = _drawable(reached.inside, nothing, _pixel_mm2(planes))
    return float(drawable.sum(axis=(1, 2)) @ _voxel_cm3(planes)[reached.box[0]])


def contoured_cm3(contours: Sequence[ReadContour], planes: SlicePlanes) -> float:
    """The exact volume inside contours: areas by the even-odd rule times the height of slices."""
    rows_mm, columns_mm = planes.series.grid.pixel_spacing_mm
    volume = 0.0
    for index, rings in _rings(contours, planes).items():
        for ring in rings:
            around = sum(share_inside(ring, other) > 0.5 for other in rings if other is not ring)
            area_mm2 = abs(signed_area(ring)) * rows_mm * columns_mm
            volume += (-1) ** around * area_mm2 * planes.spans_mm[index]
    return volume / 1000


def _rings(contours: Sequence[ReadContour], planes: SlicePlanes) -> dict[int, list[FloatArray]]:
    """Row and column indices (n, 2) of the polygons on each slice that they name."""
    rings: dict[int, list[FloatArray]] = defaultdict(list)
    for contour in contours:
        index = planes.slice_of(contour.images)
        if contour.is_polygon and index is not None:
            rings[index].append(planes.in_pixels(contour))
    return rings


def _around(box: Box, rings: dict[int, list[FloatArray]], planes: SlicePlanes) -> Box:
    """The box, and all contours within the image."""
    low = [np.array([index, *ring.min(axis=0)]) for index in rings for ring in rings[index]]
    high = [np.array([index, *ring.max(axis=0)]) for index in rings for ring in rings[index]]
    if all(side.stop > side.start for side in box):
        low.append(np.array([side.start for side in box], float))
        high.append(np.array([side.stop - 1 for side in box], float))
    if not low:
        return (slice(0, 0),) * 3
    shape = planes.series.shape_zyx
    start = np.clip(np.floor(np.min(low, axis=0)), 0, shape).astype(int)
    stop = np.clip(np.ceil(np.max(high, axis=0)) + 1, 0, shape).astype(int)
    slices, rows, columns = (slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    return slices, rows, columns


def _filled(rings: dict[int, list[FloatArray]], box: Box) -> NDArray[np.bool_]:
    slices, rows, columns = box
    places = [(index, ring) for index in rings for ring in rings[index]]
    return fill_rings(
        [index - slices.start for index, _ in places],
        [(ring[:, 0] - rows.start, ring[:, 1] - columns.start) for _, ring in places],
        (slices.stop - slices.start, rows.stop - rows.start, columns.stop - columns.start),
    )


def _strays(
    in_file: NDArray[np.bool_],
    in_field: NDArray[np.bool_],
    rings: dict[int, list[FloatArray]],
    box: Box,
    planes: SlicePlanes,
) -> tuple[NDArray[np.intp], FloatArray]:
    """(n, 3) voxels that disagree off the lines, and (n,) their distances from any."""
    spacing_mm = np.array(planes.series.grid.pixel_spacing_mm)
    differing = np.argwhere(in_file != in_field) + [side.start for side in box]
    away_mm = np.full(len(differing), np.inf)  # where there is no line at all
    for index in np.unique(differing[:, 0]):
        is_here = differing[:, 0] == index
        points = shapely.points(differing[is_here, 1:] * spacing_mm)
        lines = [shapely.LinearRing(ring * spacing_mm) for ring in rings.get(int(index), [])]
        if lines:
            away_mm[is_here] = shapely.distance(points, shapely.MultiLineString(lines))
    return differing[away_mm > DRAWN_MM], away_mm[away_mm > DRAWN_MM]


def _are_slivers(
    voxels: NDArray[np.intp],
    rings: dict[int, list[FloatArray]],
    planes: SlicePlanes,
    selected: StructureField,
) -> NDArray[np.bool_]:
    """(n,) which voxels stand for no area that would be drawn."""
    if len(voxels) > SLIVERS:
        return np.zeros(len(voxels), bool)
    areas_mm2 = [
        measure_difference_mm2(
            (int(z), int(y), int(x)), rings.get(int(z), []), selected, planes.series.grid, DRAWN_MM
        )
        for z, y, x in voxels
    ]
    largest_mm2 = max(SPECK_MM2, SLIVER_PIXELS * _pixel_mm2(planes))
    return np.array(areas_mm2) <= largest_mm2


def _by_chance_cm3(rings: dict[int, list[FloatArray]], planes: SlicePlanes) -> float:
    """Three standard deviations of as many coins as voxels lie within `DRAWN_MM` of a line."""
    spacing_mm = np.array(planes.series.grid.pixel_spacing_mm)
    voxel_cm3 = _voxel_cm3(planes)
    variance = 0.0
    for index, around in rings.items():
        length_mm = sum(shapely.LinearRing(ring * spacing_mm).length for ring in around)
        coins = 2 * DRAWN_MM * length_mm / _pixel_mm2(planes)
        variance += coins * voxel_cm3[index] ** 2
    return float(3 * np.sqrt(variance))


def _drawable(
    in_field: NDArray[np.bool_], in_file: NDArray[np.bool_], pixel_mm2: float
) -> NDArray[np.bool_]:
    """The field less the specks, and with the holes, that are too small to be drawn."""
    largest = max(SPECK_VOXELS, int(SPECK_MM2 / pixel_mm2))
    specks = _small_parts(in_field, largest) & ~in_file
    holes = _small_parts(~in_field, largest) & in_file
    return (in_field & ~specks) | holes


def _small_parts(mask: NDArray[np.bool_], largest: int) -> NDArray[np.bool_]:
    """The parts of a mask, each in one slice, that have few voxels."""
    labels, count = ndimage.label(mask, IN_SLICE)
    is_small = np.bincount(labels.ravel(), minlength=count + 1) <= largest
    is_small[0] = False
    return np.asarray(is_small[labels])


def _pixel_mm2(planes: SlicePlanes) -> float:
    row_mm, column_mm = planes.series.grid.pixel_spacing_mm
    return row_mm * column_mm


def _voxel_cm3(planes: SlicePlanes) -> FloatArray:
    return planes.spans_mm * _pixel_mm2(planes) / 1000
