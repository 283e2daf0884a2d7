"""Lint rules on the contours of one ROI together: holes, overlaps and gaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from shapely import STRtree

from contouring.contour_shapes import FloatArray, share_inside
from contouring.lint_rules import Severity, Subject, rule
from contouring.structure_set_reader import ContourSet, ReadContour

SAME_PLANE_MM = 0.05
COMPARED = (
    100  # contours of one ROI and slice: no real one has more, and a hostile one costs little
)
SAMPLED = 64  # points of a contour that decide where it lies
NESTED, APART = 0.95, 0.05  # shares of points inside another: touching lines decide nothing
GAP = 1.5  # times the usual distance of the ROI's slices


@rule(
    "nested-contours",
    Severity.WARNING,
    "PS3.3 C.8.8.6.3",
    "A hole is a keyhole or CLOSEDPLANAR_XOR, never a CLOSED_PLANAR within another.",
)
def nested_contours(subject: Subject) -> Iterator[tuple[str, str]]:
    """Most readers fill such a hole."""
    for inner, outer, share in _inside_another(subject):
        if share >= NESTED:
            yield (
                inner.where,
                f"a CLOSED_PLANAR within {outer.where}: if it is a hole, readers that unite "
                "contours fill it.",
            )


@rule(
    "overlapping-contours",
    Severity.WARNING,
    "PS3.3 C.8.8.6.3",
    "CLOSED_PLANAR contours of one ROI and slice do not overlap.",
)
def overlapping_contours(subject: Subject) -> Iterator[tuple[str, str]]:
    """Some readers unite them, others take the common part out."""
    for inner, outer, share in _inside_another(subject):
        if APART < share < NESTED:
            yield (
                inner.where,
                f"it overlaps {outer.where}: some readers unite the two, others leave the common "
                "part out.",
            )


@rule(
    "xor-contours",
    Severity.NOTE,
    "PS3.3 C.8.8.6.3",
    "CLOSEDPLANAR_XOR is not used.",
)
def xor_contours(subject: Subject) -> Iterator[tuple[str, str]]:
    """Legal and exact, but unknown to many readers."""
    for found in subject.file.contour_sets:
        count = sum(c.geometric_type == "CLOSEDPLANAR_XOR" for c in found.contours)
        if count:
            yield (
                found.where,
                f"{count} contours are CLOSEDPLANAR_XOR: several readers know only CLOSED_PLANAR "
                "and leave them out.",
            )


@rule(
    "mixed-hole-encodings",
    Severity.WARNING,
    "PS3.3 C.8.8.6.3",
    "An ROI with CLOSEDPLANAR_XOR has no CLOSED_PLANAR on the same slices.",
)
def mixed_hole_encodings(subject: Subject) -> Iterator[tuple[str, str]]:
    """The rules by which they are combined differ."""
    for found in subject.file.contour_sets:
        for contours in _by_slice(subject, found).values():
            kinds = {contour.geometric_type for contour, _ in contours}
            if len(kinds) > 1:
                yield (
                    contours[0][0].where,
                    "CLOSED_PLANAR and CLOSEDPLANAR_XOR share a slice: how they combine is open.",
                )


@rule(
    "gap",
    Severity.NOTE,
    "PS3.3 C.8.8.6",
    "The contours of an ROI leave out no slice between its first and its last.",
)
def gap(subject: Subject) -> Iterator[tuple[str, str]]:
    """Real for separate parts; otherwise a lost slice, which readers do or do not fill in."""
    if subject.series is not None:
        return  # the rule missed-slices knows the true slices
    for found in subject.file.contour_sets:
        heights = np.array(list(_by_slice(subject, found)))
        steps = np.diff(heights)
        if len(steps) == 0:
            continue
        usual_mm = float(np.median(steps))
        gaps = np.flatnonzero(steps > GAP * usual_mm)
        for place in gaps[:3]:
            yield (
                found.where,
                f"no contour between {heights[place]:.2f} and {heights[place + 1]:.2f} mm along "
                f"the normal, where one is expected every {usual_mm:.2f} mm: some readers fill "
                "the gap, others do not.",
            )


@rule(
    "single-slice",
    Severity.NOTE,
    "PS3.3 C.8.8.6",
    "An ROI with an area has contours on more than one slice.",
)
def single_slice(subject: Subject) -> Iterator[tuple[str, str]]:
    """Its volume depends on the thickness that a reader assumes."""
    for found in subject.file.contour_sets:
        if len(_by_slice(subject, found)) == 1:
            yield found.where, "all its contours lie on one slice: some readers give it no volume."


def _by_slice(
    subject: Subject, found: ContourSet
) -> dict[float, list[tuple[ReadContour, FloatArray]]]:
    """The polygons of an ROI by their height along the normal, mm."""
    normal = subject.file.normal
    heights = [(float((c.points_mm @ normal).mean()), c) for c in found.polygons]
    slices: dict[float, list[tuple[ReadContour, FloatArray]]] = {}
    current = -np.inf
    for height, contour in sorted(heights, key=lambda pair: pair[0]):
        if height > current + SAME_PLANE_MM:
            current = height
        slices.setdefault(current, []).append((contour, subject.file.rings[contour]))
    return slices


def _inside_another(subject: Subject) -> Iterator[tuple[ReadContour, ReadContour, float]]:
    """CLOSED_PLANAR contours with points inside another, that other, and the share of points."""
    for found in subject.file.contour_sets:
        for contours in _by_slice(subject, found).values():
            plain = [c for c in contours if c[0].geometric_type == "CLOSED_PLANAR"][:COMPARED]
            if len(plain) < 2:
                continue
            boxes = shapely.box(*np.array([[*r.min(axis=0), *r.max(axis=0)] for _, r in plain]).T)
            for one, other in STRtree(boxes).query(boxes, predicate="intersects").T:
                if one == other or boxes[one].area > boxes[other].area:
                    continue
                inner, outer = plain[one][1], plain[other][1]
                sample = inner[:: max(len(inner) // SAMPLED, 1)]
                yield plain[one][0], plain[other][0], share_inside(sample, outer)


RULES = (
    nested_contours,
    overlapping_contours,
    xor_contours,
    mixed_hole_encodings,
    gap,
    single_slice,
)
