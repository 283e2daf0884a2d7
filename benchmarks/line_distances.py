"""How far drawn lines are from true ones, and to which side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from contouring.phantom_deviation import DrawnSlices, Truth, edges_without_bridges, in_plane_mm
from contouring.phantom_shapes import FloatArray

SAMPLE_MM = 0.25


@dataclass(frozen=True)
class LineDistances:
    """In-plane distances of one structure in mm; `bias_mm` is positive where it is too large."""

    mean_mm: float
    bias_mm: float
    p95_mm: float
    largest_mm: float


def measure_distances(truth: Truth, drawn: DrawnSlices) -> LineDistances:
    """Distances along drawn and true lines of all slices that have both.

    The bias is taken along the drawn line, whose points the solid's own field puts inside or out.
    """
    pairs = list(_of_slices(truth, drawn))
    outwards = np.concatenate([outward for outward, _ in pairs])
    both_ways = np.concatenate([np.abs(outwards), *(back for _, back in pairs)])
    return LineDistances(
        mean_mm=float(both_ways.mean()),
        bias_mm=float(outwards.mean()),
        p95_mm=float(np.percentile(both_ways, 95)),
        largest_mm=float(both_ways.max()),
    )


def _of_slices(truth: Truth, drawn: DrawnSlices) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Per slice: signed distances of the drawn points, and distances of the true ones."""
    scan = truth.scan
    for index, loops in drawn.items():
        true_loops = truth.slices[index].contours_mm
        if not true_loops:
            continue
        true_lines = shapely.MultiLineString(
            [
                np.vstack([loop, loop[:1]])
                for loop in (in_plane_mm(scan, index, t) for t in true_loops)
            ]
        )
        drawn_lines = shapely.MultiLineString(
            [e for loop in loops for e in edges_without_bridges(in_plane_mm(scan, index, loop))]
        )
        places = shapely.get_coordinates(shapely.segmentize(drawn_lines, SAMPLE_MM))
        points = (
            scan.origin_mm(index)
            + places[:, :1] * scan.row_direction
            + places[:, 1:] * scan.column_direction
        )
        side = -np.sign(truth.shape.field_mm(points[:, 0], points[:, 1], points[:, 2]))
        there = shapely.distance(shapely.points(places), true_lines)
        back_places = shapely.get_coordinates(shapely.segmentize(true_lines, SAMPLE_MM))
        yield side * there, shapely.distance(shapely.points(back_places), drawn_lines)
