"""Lint rules that hold contours against the slices of the CT that they were drawn on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from contouring.lint_rules import Severity, Subject, planes_of, rule
from contouring.slice_planes import SlicePlanes
from contouring.structure_set_reader import ReadContour

ON_PLANE_MM = 0.01  # coordinates of two decimals
OFF_PLANE_MM = 0.1
ON_CENTRE_PIXELS = 0.01
MOSTLY = 0.95  # of an ROI's points
OUTSIDE_PIXELS = 1.0  # beyond the first or the last pixel's centre: half of it is pixel
FEW_POINTS = 20  # of so few, all may lie on pixel centres by chance


@rule(
    "unknown-image",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "Every image that a contour names is a slice of the CT.",
    needs_ct=True,
)
def unknown_image(subject: Subject) -> Iterator[tuple[str, str]]:
    """The contour is lost, or shown elsewhere."""
    planes = planes_of(subject)
    for contour in subject.file.contours:
        if contour.images and planes.slice_of(contour.images) is None:
            yield (
                contour.where,
                f"its image {contour.images[0].sop_instance_uid} is no slice of the CT: readers "
                "that place contours by image lose it.",
            )


@rule(
    "image-class",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "ReferencedSOPClassUID of a contour's image is that of the slice.",
    needs_ct=True,
)
def image_class(subject: Subject) -> Iterator[tuple[str, str]]:
    """Strict readers do not find the image."""
    planes = planes_of(subject)
    for contour in subject.file.contours:
        index = planes.slice_of(contour.images[:1])
        if index is not None:
            expected = planes.series.instances[index].sop_class_uid
            own = contour.images[0].sop_class_uid
            if own and own != expected:
                yield contour.where, f"its image is said to be {own}, but is {expected}."


@rule(
    "off-plane",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "A contour lies on the plane of the slice that it names, to within 0.1 mm.",
    needs_ct=True,
)
def off_plane(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers place it by its image or by its coordinates: two different slices."""
    planes = planes_of(subject)
    for contour, index, off_mm in _named_planes(subject):
        if off_mm > OFF_PLANE_MM:
            nearest = planes.nearest(contour)
            elsewhere = "" if nearest == index else f" It lies nearest to slice {nearest + 1}."
            yield (
                contour.where,
                f"it strays {off_mm:.3f} mm from slice {index + 1}, which it names: readers that "
                f"go by coordinates and readers that go by images show it differently.{elsewhere}",
            )


@rule(
    "near-plane",
    Severity.NOTE,
    "PS3.3 C.8.8.6",
    "A contour lies on the plane of the slice that it names, to within 0.01 mm.",
    needs_ct=True,
)
def near_plane(subject: Subject) -> Iterator[tuple[str, str]]:
    """Rounded too much, or placed by a mean spacing."""
    for contour, index, off_mm in _named_planes(subject):
        if ON_PLANE_MM < off_mm <= OFF_PLANE_MM:
            yield (
                contour.where,
                f"it strays {off_mm:.3f} mm from slice {index + 1}: readers with a narrow "
                "tolerance do not show it there.",
            )


@rule(
    "between-slices",
    Severity.WARNING,
    "PS3.3 C.8.8.6",
    "A contour that names no image lies on the plane of some slice, to within 0.1 mm.",
    needs_ct=True,
)
def between_slices(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers interpolate it or leave it out."""
    planes = planes_of(subject)
    for contour in subject.file.contours:
        if contour.is_polygon and not contour.images:
            nearest = planes.nearest(contour)
            off_mm = planes.off_plane_mm(contour, nearest)
            if off_mm > OFF_PLANE_MM:
                yield (
                    contour.where,
                    f"it lies on no slice, {off_mm:.3f} mm from the nearest (slice "
                    f"{nearest + 1}): readers move it or leave it out.",
                )


@rule(
    "outside-image",
    Severity.WARNING,
    "PS3.3 C.8.8.6",
    "Contours lie within the image.",
    needs_ct=True,
)
def outside_image(subject: Subject) -> Iterator[tuple[str, str]]:
    """What lies beyond the pixels is lost in every mask."""
    planes = planes_of(subject)
    last = np.array(planes.series.shape_zyx[1:]) - 1
    for contour in subject.file.contours:
        if not contour.is_polygon:
            continue
        places = planes.in_pixels(contour)
        beyond = float(np.maximum(-places, places - last).max())
        if beyond > OUTSIDE_PIXELS:
            yield contour.where, f"it reaches {beyond:.1f} pixels beyond the image's edge."


@rule(
    "pixel-centres",
    Severity.NOTE,
    "PS3.3 C.7.6.2.1.1",
    "Contours do not run from pixel centre to pixel centre.",
    needs_ct=True,
)
def pixel_centres(subject: Subject) -> Iterator[tuple[str, str]]:
    """What tracing a mask through the centres of its outermost pixels leaves behind."""
    planes = planes_of(subject)
    for found in subject.file.contour_sets:
        if not found.polygons:
            continue
        places = np.concatenate([planes.in_pixels(contour) for contour in found.polygons])
        centred = (np.abs(places - np.round(places)) <= ON_CENTRE_PIXELS).all(axis=1)
        if len(places) >= FEW_POINTS and centred.mean() >= MOSTLY:
            yield (
                found.where,
                f"{centred.mean():.0%} of its points are pixel centres: the outline of a mask "
                "traced through its outermost pixels, half a pixel too small on every side.",
            )


@rule(
    "missed-slices",
    Severity.NOTE,
    "PS3.3 C.8.8.6",
    "The contours of an ROI leave out no slice of the CT between its first and its last.",
    needs_ct=True,
)
def missed_slices(subject: Subject) -> Iterator[tuple[str, str]]:
    """Real for separate parts; otherwise a lost slice."""
    planes = planes_of(subject)
    for found in subject.file.contour_sets:
        drawn = np.unique([_slice_index(planes, contour) for contour in found.polygons])
        missed = np.setdiff1d(np.arange(drawn[0], drawn[-1]), drawn) if len(drawn) else drawn
        if len(missed):
            listed = ", ".join(str(int(index) + 1) for index in missed[:5])
            more = ", ..." if len(missed) > 5 else ""
            yield (
                found.where,
                f"no contour on slices {listed}{more} within it: some readers fill such gaps, "
                "others do not.",
            )


def _slice_index(planes: SlicePlanes, contour: ReadContour) -> int:
    named = planes.slice_of(contour.images)
    return planes.nearest(contour) if named is None else named


def _named_planes(subject: Subject) -> Iterator[tuple[ReadContour, int, float]]:
    """Contours that name a slice of the CT, its index, and how far they stray from its plane."""
    planes = planes_of(subject)
    for contour in subject.file.contours:
        index = planes.slice_of(contour.images)
        if contour.is_polygon and index is not None:
            yield contour, index, planes.off_plane_mm(contour, index)


RULES = (
    unknown_image,
    image_class,
    off_plane,
    near_plane,
    between_slices,
    outside_image,
    pixel_centres,
    missed_slices,
)
