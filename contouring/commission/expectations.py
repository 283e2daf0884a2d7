"""What a planning system should show of each structure: volume, centre and extent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import shapely

from contouring.phantom_deviation import Truth, in_plane_mm, slice_heights_mm
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import Shape, Vector, vector
from contouring.phantom_truth import true_slices

SOLID_STEP_MM = 0.25  # between the points and planes over which a solid itself is integrated


@dataclass(frozen=True)
class Expectation:
    """A structure as it truly is.

    `contoured_cm3`: true areas times slice heights, what perfect contours on these slices hold;
    `solid_cm3`: the solid itself. `centre_mm` is the centre of gravity of the true contours,
    `low_mm` and `high_mm` the solid's extent; all LPS patient millimetres.
    """

    contoured_cm3: float
    solid_cm3: float
    centre_mm: Vector
    low_mm: Vector
    high_mm: Vector


def find_expectation(truth: Truth, solid_cm3: float) -> Expectation:
    """Volumes, centre and extent of a solid in a scan."""
    bounds = truth.shape.bounds()
    return Expectation(
        contoured_cm3=truth.volume_mm3 / 1000.0,
        solid_cm3=solid_cm3,
        centre_mm=_centre_mm(truth),
        low_mm=bounds.low_mm,
        high_mm=bounds.high_mm,
    )


def find_solid_cm3(shape: Shape) -> float:
    """A solid's own volume, by thin slices; the same for every scan."""
    low, high = shape.bounds().low_mm[2], shape.bounds().high_mm[2]
    offsets = np.arange(low, high + SOLID_STEP_MM, SOLID_STEP_MM)
    thin = Scan(slice_offsets_mm=tuple(offsets.tolist()))
    areas_mm2 = [cut.area_mm2 for cut in true_slices(shape, thin, step_mm=SOLID_STEP_MM)]
    return SOLID_STEP_MM * sum(areas_mm2) / 1000.0


def _centre_mm(truth: Truth) -> Vector:
    scan = truth.scan
    moment = np.zeros(3)
    for index, height_mm in enumerate(slice_heights_mm(scan)):
        loops = truth.slices[index].contours_mm
        if loops:
            polygons = [shapely.Polygon(in_plane_mm(scan, index, loop)) for loop in loops]
            region = reduce(shapely.symmetric_difference, polygons)
            centre = scan.origin_mm(index)
            centre = centre + region.centroid.x * scan.row_direction
            centre = centre + region.centroid.y * scan.column_direction
            moment += region.area * height_mm * centre
    return vector(moment / truth.volume_mm3)
