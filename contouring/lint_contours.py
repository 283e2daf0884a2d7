"""Lint rules on contours, each alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import shapely

from contouring.contour_shapes import (
    FloatArray,
    ambiguous_area,
    off_own_plane_mm,
)
from contouring.lint_rules import Severity, Subject, rule
from contouring.structure_set_reader import ReadContour

GEOMETRIC_TYPES = ("POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", "CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
LEAST_POINTS = {"CLOSED_PLANAR": 3, "CLOSEDPLANAR_XOR": 3, "OPEN_PLANAR": 2, "OPEN_NONPLANAR": 2}
PLANAR_MM = 0.01  # coordinates of two decimals stray from an oblique plane by less
LEAST_AREA_MM2 = 1e-4
SPECK_MM2 = 0.1  # less than any pixel of a planning CT
LEAST_AMBIGUOUS_MM2 = 0.5  # half a pixel of a planning CT
LEAST_AMBIGUOUS_SHARE = 0.005  # of the contour: what its raster can tell
# So that a hostile file costs little: no real file or contour has as many.
EXAMINED = 1000  # contours that may cross themselves
LONGEST = 5000  # points of a contour; of a longer one, so many


@rule(
    "geometric-type",
    Severity.ERROR,
    "PS3.3 C.8.8.6.1",
    "ContourGeometricType is one of the enumerated values.",
)
def geometric_type(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers skip what they do not know."""
    for contour in subject.file.contours:
        if contour.geometric_type and contour.geometric_type not in GEOMETRIC_TYPES:
            yield (
                contour.where,
                f"{contour.geometric_type!r} is no geometric type: readers leave the contour out.",
            )


@rule(
    "point-count",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "NumberOfContourPoints is the number of points in ContourData.",
)
def point_count(subject: Subject) -> Iterator[tuple[str, str]]:
    """A reader that trusts it reads too few or fails."""
    for contour in subject.file.contours:
        told = contour.item.integer("NumberOfContourPoints")
        if told is not None and contour.value_count and 3 * told != contour.value_count:
            yield (
                contour.where,
                f"NumberOfContourPoints is {told}, but ContourData has {contour.value_count} "
                f"values, {contour.value_count / 3:g} points: readers cut the contour or fail.",
            )


@rule(
    "incomplete-point",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "ContourData is made of whole x, y, z triplets.",
)
def incomplete_point(subject: Subject) -> Iterator[tuple[str, str]]:
    """A coordinate is lost."""
    for contour in subject.file.contours:
        if contour.value_count % 3:
            yield contour.where, f"{contour.value_count} values are no whole points."


@rule(
    "too-few-points",
    Severity.ERROR,
    "PS3.3 C.8.8.6.1",
    "A closed contour has at least three points, an open one two.",
)
def too_few_points(subject: Subject) -> Iterator[tuple[str, str]]:
    """Planning systems warn, and some readers crash."""
    for contour in subject.file.contours:
        least = LEAST_POINTS.get(contour.geometric_type, 1)
        if contour.unreadable is None and 0 < contour.value_count < 3 * least:
            yield (
                contour.where,
                f"a {contour.geometric_type} of fewer than {least} points "
                f"({contour.value_count // 3}): planning systems warn or drop it, and some "
                "readers crash.",
            )


@rule(
    "point-of-several",
    Severity.ERROR,
    "PS3.3 C.8.8.6.1",
    "A contour of type POINT is a single point.",
)
def point_of_several(subject: Subject) -> Iterator[tuple[str, str]]:
    """All but the first are lost."""
    for contour in subject.file.contours:
        if contour.geometric_type == "POINT" and len(contour.points_mm) > 1:
            yield contour.where, f"a POINT of {len(contour.points_mm)} points: readers take one."


@rule(
    "first-point-repeated",
    Severity.WARNING,
    "PS3.3 C.8.8.6.1",
    "A closed contour does not repeat its first point at its end.",
)
def first_point_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """The line is closed by definition."""
    for contour in _polygons(subject):
        if np.array_equal(contour.points_mm[0], contour.points_mm[-1]):
            yield (
                contour.where,
                "the first point is repeated at the end: a side of no length, at which some "
                "readers compute no direction.",
            )


@rule(
    "repeated-points",
    Severity.NOTE,
    "PS3.3 C.8.8.6.1",
    "No point of a contour is followed by itself.",
)
def repeated_points(subject: Subject) -> Iterator[tuple[str, str]]:
    """Sides of no length."""
    for contour in _polygons(subject):
        count = int((np.diff(contour.points_mm, axis=0) == 0).all(axis=1).sum())
        if count:
            yield contour.where, f"{count} points are followed by themselves: they say nothing."


@rule(
    "not-planar",
    Severity.ERROR,
    "PS3.3 C.8.8.6.1",
    "All points of a planar contour lie in one plane.",
)
def not_planar(subject: Subject) -> Iterator[tuple[str, str]]:
    """Which slice it belongs to is open."""
    for contour in _polygons(subject):
        off_mm = off_own_plane_mm(contour.points_mm)
        if off_mm > PLANAR_MM:
            yield (
                contour.where,
                f"its points stray {off_mm:.3f} mm from a plane: it lies on no slice.",
            )


@rule(
    "no-area",
    Severity.ERROR,
    "PS3.3 C.8.8.6.1",
    "A closed contour encloses an area.",
)
def no_area(subject: Subject) -> Iterator[tuple[str, str]]:
    """Points on a line."""
    for contour in subject.file.rings:
        if _filled_area(subject, contour) < LEAST_AREA_MM2:
            yield contour.where, "it encloses no area: some readers fail on it."


@rule(
    "speck",
    Severity.WARNING,
    "PS3.3 C.8.8.6.1",
    "No closed contour is smaller than 0.1 mm².",
)
def speck(subject: Subject) -> Iterator[tuple[str, str]]:
    """Left-overs of a mask; they have stopped readers."""
    for contour in subject.file.rings:
        area = _filled_area(subject, contour)
        if LEAST_AREA_MM2 <= area < SPECK_MM2:
            yield (
                contour.where,
                f"it encloses {area:.4f} mm², less than a pixel: a left-over that fills no voxel "
                "and has stopped readers.",
            )


@rule(
    "self-intersection",
    Severity.WARNING,
    "PS3.3 C.8.8.6.3",
    "No contour crosses itself; the bridge of a keyhole, run once each way, is allowed.",
)
def self_intersection(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers that fill by even-odd and by winding see two different structures."""
    thinned = ((c, ring[:: -(-len(ring) // LONGEST)]) for c, ring in _rings(subject))
    doubtful = ((c, ring) for c, ring in thinned if not shapely.is_valid(shapely.Polygon(ring)))
    for contour, ring in islice(doubtful, EXAMINED):
        area = ambiguous_area(ring)
        if area > max(LEAST_AMBIGUOUS_MM2, LEAST_AMBIGUOUS_SHARE * _filled_area(subject, contour)):
            yield (
                contour.where,
                f"it crosses itself: whether {area:.1f} mm² are inside depends on the reader.",
            )


def _polygons(subject: Subject) -> Iterator[ReadContour]:
    return (contour for contour in subject.file.contours if contour.is_polygon)


def _rings(subject: Subject) -> Iterator[tuple[ReadContour, FloatArray]]:
    """The polygons with their (n, 2) corners in the plane."""
    return iter(subject.file.rings.items())


def _filled_area(subject: Subject, contour: ReadContour) -> float:
    """Area in mm²; of a line that crosses itself at least what is not cancelled."""
    return subject.file.areas_mm2[contour] or ambiguous_area(subject.file.rings[contour])


RULES = (
    geometric_type,
    point_count,
    incomplete_point,
    too_few_points,
    point_of_several,
    first_point_repeated,
    repeated_points,
    not_planar,
    no_area,
    speck,
    self_intersection,
)
