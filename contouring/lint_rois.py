"""Lint rules on the three tables of ROIs: their numbers, and what belongs together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from contouring.lint_rules import Severity, Subject, rule

Key = TypeVar("Key", bound=Hashable)
Entry = TypeVar("Entry")


def repeated(
    entries: Iterable[Entry], key: Callable[[Entry], Key]
) -> Iterator[tuple[Entry, Entry]]:
    """Each entry whose key another had before it, with that other."""
    first: dict[Key, Entry] = {}
    for entry in entries:
        earlier = first.setdefault(key(entry), entry)
        if earlier is not entry:
            yield entry, earlier


@rule(
    "roi-number-repeated",
    Severity.ERROR,
    "PS3.3 C.8.8.5",
    "Every ROINumber is unique in the file.",
)
def roi_number_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Contours are joined to names by it alone."""
    numbered = [roi for roi in subject.file.rois if roi.number is not None]
    for roi, earlier in repeated(numbered, lambda roi: roi.number):
        yield (
            roi.where,
            f"ROINumber {roi.number} is also that of {earlier.where}: contours go to either name.",
        )


@rule(
    "roi-without-contour-item",
    Severity.WARNING,
    "PS3.3 C.8.8.6",
    "Every ROI has an item in ROIContourSequence.",
)
def roi_without_contour_item(subject: Subject) -> Iterator[tuple[str, str]]:
    """Some readers walk one table and index the other."""
    found = {item.number for item in subject.file.contour_sets}
    for roi in subject.file.rois:
        if roi.number is not None and roi.number not in found:
            yield roi.where, "there is no ROIContourSequence item for it: some readers fail."


@rule(
    "roi-without-observation",
    Severity.WARNING,
    "PS3.3 C.8.8.8",
    "Every ROI has an item in RTROIObservationsSequence.",
)
def roi_without_observation(subject: Subject) -> Iterator[tuple[str, str]]:
    """Its kind is unknown."""
    found = {item.number for item in subject.file.observations}
    for roi in subject.file.rois:
        if roi.number is not None and roi.number not in found:
            yield (
                roi.where,
                "there is no RTROIObservationsSequence item for it: its type is unknown, and some "
                "planning systems leave it out.",
            )


@rule(
    "contours-without-roi",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "ReferencedROINumber of every ROIContourSequence item is the number of one ROI.",
)
def contours_without_roi(subject: Subject) -> Iterator[tuple[str, str]]:
    """Contours without a name."""
    known = {roi.number for roi in subject.file.rois}
    for item in subject.file.contour_sets:
        if item.number is not None and item.number not in known:
            yield item.where, f"no ROI has the number {item.number}: its contours have no name."


@rule(
    "observation-without-roi",
    Severity.ERROR,
    "PS3.3 C.8.8.8",
    "ReferencedROINumber of every RTROIObservationsSequence item is the number of one ROI.",
)
def observation_without_roi(subject: Subject) -> Iterator[tuple[str, str]]:
    """It describes nothing."""
    known = {roi.number for roi in subject.file.rois}
    for item in subject.file.observations:
        if item.number is not None and item.number not in known:
            yield item.where, f"no ROI has the number {item.number}: some readers fail."


@rule(
    "contour-item-repeated",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "No two ROIContourSequence items refer to the same ROI.",
)
def contour_item_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers take the first or the last."""
    numbered = [item for item in subject.file.contour_sets if item.number is not None]
    for item, _ in repeated(numbered, lambda item: item.number):
        yield (
            item.where,
            "it has a second ROIContourSequence item: some readers take only one of them.",
        )


@rule(
    "observation-repeated",
    Severity.WARNING,
    "PS3.3 C.8.8.8",
    "No two RTROIObservationsSequence items refer to the same ROI.",
)
def observation_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Legal, but which type holds is left to the reader."""
    numbered = [item for item in subject.file.observations if item.number is not None]
    for item, _ in repeated(numbered, lambda item: item.number):
        yield item.where, "it has a second observation: which type it has depends on the reader."


@rule(
    "observation-number-repeated",
    Severity.ERROR,
    "PS3.3 C.8.8.8",
    "Every ObservationNumber is unique in the file.",
)
def observation_number_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Plans refer to observations by it."""
    numbered = [
        item for item in subject.file.observations if item.item.integer("ObservationNumber")
    ]
    for item, earlier in repeated(numbered, lambda i: i.item.integer("ObservationNumber")):
        yield item.where, f"its ObservationNumber is also that of {earlier.where}."


@rule(
    "contour-number-repeated",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "ContourNumber, where it is given, is unique within an ROI.",
)
def contour_number_repeated(subject: Subject) -> Iterator[tuple[str, str]]:
    """Attached contours are named by it."""
    for found in subject.file.contour_sets:
        numbered = [c for c in found.contours if c.item.integer("ContourNumber") is not None]
        for contour, earlier in repeated(numbered, lambda c: c.item.integer("ContourNumber")):
            yield contour.where, f"its ContourNumber is also that of {earlier.where}."


@rule(
    "empty-contour-sequence",
    Severity.ERROR,
    "PS3.3 C.8.8.6",
    "A ContourSequence, where it is present, has an item.",
)
def empty_contour_sequence(subject: Subject) -> Iterator[tuple[str, str]]:
    """An ROI without contours leaves it out."""
    for found in subject.file.contour_sets:
        sequence = found.item.find("ContourSequence")
        if sequence is not None and not found.contours:
            yield (
                found.where,
                "ContourSequence is there without an item: some readers fail, where its absence "
                "would say that the ROI is empty.",
            )


@rule(
    "roi-without-contours",
    Severity.NOTE,
    "PS3.3 C.8.8.6",
    "Every ROI has contours.",
)
def roi_without_contours(subject: Subject) -> Iterator[tuple[str, str]]:
    """Legal; some systems drop such an ROI in silence."""
    drawn = {found.number for found in subject.file.contour_sets if found.contours}
    for roi in subject.file.rois:
        if roi.number not in drawn:
            yield roi.where, "it has no contour: some systems drop it without a word."


RULES = (
    roi_number_repeated,
    roi_without_contour_item,
    roi_without_observation,
    contours_without_roi,
    observation_without_roi,
    contour_item_repeated,
    observation_repeated,
    observation_number_repeated,
    contour_number_repeated,
    empty_contour_sequence,
    roi_without_contours,
)
