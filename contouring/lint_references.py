"""Lint rules on what a structure set refers to: frames of reference, studies, series, images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contouring.lint_rules import THE_FILE, Severity, Subject, rule


@rule(
    "no-reference-chain",
    Severity.WARNING,
    "PS3.3 C.8.8.5.1",
    "ReferencedFrameOfReferenceSequence names the frame of reference, the study, the series and "
    "the images that the contours were drawn on.",
)
def no_reference_chain(subject: Subject) -> Iterator[tuple[str, str]]:
    """Optional, but planning systems find the CT by it."""
    if not subject.file.referenced_series:
        yield (
            THE_FILE,
            "no referenced series is named: planning systems cannot find the images that the "
            "contours belong to.",
        )


@rule(
    "frame-listed-twice",
    Severity.ERROR,
    "PS3.3 C.8.8.5.1",
    "Each frame of reference stands in ReferencedFrameOfReferenceSequence once and only once.",
)
def frame_listed_twice(subject: Subject) -> Iterator[tuple[str, str]]:
    """The standard's own words."""
    for uid, count in Counter(_listed_frames(subject)).items():
        if uid and count > 1:
            yield THE_FILE, f"the frame of reference {uid} is listed {count} times."


@rule(
    "several-frames",
    Severity.WARNING,
    "PS3.3 C.8.8.5.1",
    "All ROIs share one frame of reference.",
)
def several_frames(subject: Subject) -> Iterator[tuple[str, str]]:
    """Legal, but most planning systems take the first."""
    frames = {*_listed_frames(subject), *_roi_frames(subject)} - {""}
    if len(frames) > 1:
        yield (
            THE_FILE,
            f"{len(frames)} frames of reference are used: most planning systems take one and place "
            "all contours in it.",
        )


@rule(
    "unlisted-frame",
    Severity.ERROR,
    "PS3.3 C.8.8.5.1",
    "The frame of reference of every ROI stands in ReferencedFrameOfReferenceSequence.",
)
def unlisted_frame(subject: Subject) -> Iterator[tuple[str, str]]:
    """The ROI lies nowhere."""
    listed = set(_listed_frames(subject))
    for roi in subject.file.rois:
        uid = roi.item.text("ReferencedFrameOfReferenceUID")
        if listed and uid and uid not in listed:
            yield (
                roi.where,
                f"its frame of reference {uid} is not listed: readers cannot place it on images.",
            )


@rule(
    "frame-differs",
    Severity.WARNING,
    "PS3.3 C.7.4.1",
    "FrameOfReferenceUID of the file, where it is given, is that of its ROIs.",
)
def frame_differs(subject: Subject) -> Iterator[tuple[str, str]]:
    """Some readers compare the one, some the other."""
    own = subject.file.content.text("FrameOfReferenceUID")
    listed = set(_listed_frames(subject)) - {""}
    if own and listed and own not in listed:
        yield (
            THE_FILE,
            f"FrameOfReferenceUID {own} is not that of the ROIs ({', '.join(sorted(listed))}): "
            "some readers refuse to show the contours on the images.",
        )


@rule(
    "other-study-referenced",
    Severity.WARNING,
    "PS3.3 C.8.8.5.4",
    "The file belongs to the study of the images that it refers to.",
)
def other_study_referenced(subject: Subject) -> Iterator[tuple[str, str]]:
    """Many planning systems look for the images within the file's own study."""
    own = subject.file.content.text("StudyInstanceUID")
    for series in subject.file.referenced_series:
        if own and series.study_instance_uid and series.study_instance_uid != own:
            yield (
                THE_FILE,
                f"it refers to images of the study {series.study_instance_uid}, but belongs to "
                f"{own}: many planning systems look for them in the file's own study.",
            )


@rule(
    "several-series",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "One series of images is referred to.",
)
def several_series(subject: Subject) -> Iterator[tuple[str, str]]:
    """Which one the contours lie on is left to the reader."""
    uids = {series.series_instance_uid for series in subject.file.referenced_series}
    if len(uids) > 1:
        yield (
            THE_FILE,
            f"{len(uids)} series are referred to: a planning system shows the contours on one.",
        )


@rule(
    "image-listed-twice",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "No image is listed twice in a referenced series.",
)
def image_listed_twice(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers that count slices count wrong."""
    for series in subject.file.referenced_series:
        counts = Counter((image.sop_instance_uid, image.frame) for image in series.images)
        for (uid, _), count in counts.items():
            if count > 1:
                yield (
                    f"series {series.series_instance_uid}",
                    f"the image {uid} is listed {count} times.",
                )


@rule(
    "contour-without-image",
    Severity.WARNING,
    "PS3.3 C.8.8.6",
    "Every planar contour names its image in ContourImageSequence.",
)
def contour_without_image(subject: Subject) -> Iterator[tuple[str, str]]:
    """Optional, but several readers depend on it."""
    for found in subject.file.contour_sets:
        missing = [contour for contour in found.polygons if not contour.images]
        if missing:
            yield (
                missing[0].where,
                f"{len(missing)} of {len(found.polygons)} contours of the ROI name no image: "
                "several readers need it to place them.",
            )


@rule(
    "contour-of-several-images",
    Severity.WARNING,
    "PS3.3 C.8.8.6",
    "A planar contour names one image.",
)
def contour_of_several_images(subject: Subject) -> Iterator[tuple[str, str]]:
    """It lies on one plane."""
    for contour in subject.file.contours:
        if contour.is_polygon and len(contour.images) > 1:
            yield (
                contour.where,
                f"it names {len(contour.images)} images: readers take the first.",
            )


@rule(
    "image-not-listed",
    Severity.ERROR,
    "PS3.3 C.8.8.5",
    "Every image that a contour names is listed in the referenced series.",
)
def image_not_listed(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers that load what is listed do not find it."""
    chain = [series for series in subject.file.referenced_series if series.images]
    for contour in subject.file.contours:
        for image in contour.images:
            places = (image.sop_instance_uid, image.frame)
            if chain and not any(series.lists(*places) for series in chain):
                yield (
                    contour.where,
                    f"its image {image.sop_instance_uid} is not listed in the referenced series: "
                    "readers drop the contour.",
                )


def _listed_frames(subject: Subject) -> list[str]:
    frames = subject.file.content.items("ReferencedFrameOfReferenceSequence")
    return [frame.text("FrameOfReferenceUID") for frame in frames]


def _roi_frames(subject: Subject) -> list[str]:
    return [roi.item.text("ReferencedFrameOfReferenceUID") for roi in subject.file.rois]


RULES = (
    no_reference_chain,
    frame_listed_twice,
    several_frames,
    unlisted_frame,
    frame_differs,
    other_study_referenced,
    several_series,
    image_listed_twice,
    contour_without_image,
    contour_of_several_images,
    image_not_listed,
)
