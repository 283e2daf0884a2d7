"""Lint rules that hold what a structure set refers to against its CT series."""

from __future__ import annotations

from collections.abc import Iterator

from contouring.lint_rules import THE_FILE, Finds, Severity, Subject, planes_of, rule
from contouring.person_names import fold_name
from contouring.slice_planes import told_in_ct

IDENTITY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")


@rule(
    "other-patient",
    Severity.ERROR,
    "PS3.3 C.7.1.1",
    "Patient ID, name, birth date and sex are those of the CT.",
    needs_ct=True,
)
def other_patient(subject: Subject) -> Iterator[tuple[str, str]]:
    """The file would be filed under somebody else."""
    series = planes_of(subject).series
    for keyword in IDENTITY:
        own = subject.file.content.text(keyword)
        of_ct = told_in_ct(series, keyword)
        if fold_name(own) != fold_name(of_ct):
            yield (
                THE_FILE,
                f"{keyword} is {own!r}, in the CT {of_ct!r}: archives file the structure set "
                "under another patient.",
            )


def _same_uid(keyword: str, of_series: str, leads_to: str) -> Finds:
    def find(subject: Subject) -> Iterator[tuple[str, str]]:
        own = subject.file.content.text(keyword)
        expected = str(getattr(planes_of(subject).series, of_series))
        if own and own != expected:
            yield THE_FILE, f"{keyword} is {own}, in the CT {expected}: {leads_to}."

    return find


other_study = rule(
    "other-study",
    Severity.ERROR,
    "PS3.3 C.7.2.1",
    "StudyInstanceUID is that of the CT.",
    needs_ct=True,
)(_same_uid("StudyInstanceUID", "study_instance_uid", "many planning systems do not join the two"))

other_frame = rule(
    "other-frame",
    Severity.ERROR,
    "PS3.3 C.7.4.1",
    "FrameOfReferenceUID, where it is given, is that of the CT.",
    needs_ct=True,
)(
    _same_uid(
        "FrameOfReferenceUID",
        "frame_of_reference_uid",
        "the contours have no place in the images' coordinates",
    )
)


@rule(
    "roi-in-other-frame",
    Severity.ERROR,
    "PS3.3 C.8.8.5.1",
    "Every ROI is drawn in the CT's frame of reference.",
    needs_ct=True,
)
def roi_in_other_frame(subject: Subject) -> Iterator[tuple[str, str]]:
    """Its coordinates mean something else."""
    expected = planes_of(subject).series.frame_of_reference_uid
    for roi in subject.file.rois:
        own = roi.item.text("ReferencedFrameOfReferenceUID")
        if own and own != expected:
            yield (
                roi.where,
                f"its frame of reference is {own}, the CT's {expected}: its coordinates have no "
                "meaning in these images.",
            )


@rule(
    "other-series-referenced",
    Severity.ERROR,
    "PS3.3 C.8.8.5",
    "The referenced series is the CT series.",
    needs_ct=True,
)
def other_series_referenced(subject: Subject) -> Iterator[tuple[str, str]]:
    """It was drawn on other images."""
    expected = planes_of(subject).series.series_instance_uid
    uids = {series.series_instance_uid for series in subject.file.referenced_series} - {""}
    if uids and expected not in uids:
        yield (
            THE_FILE,
            f"it refers to the series {', '.join(sorted(uids))}, not to {expected}: it was drawn "
            "on other images.",
        )


@rule(
    "unlisted-slices",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "The referenced series lists every slice of the CT.",
    needs_ct=True,
)
def unlisted_slices(subject: Subject) -> Iterator[tuple[str, str]]:
    """Planning systems ask for what is listed."""
    known = planes_of(subject).by_image
    chain = [series for series in subject.file.referenced_series if series.images]
    missing = sum(not any(series.lists(*image) for series in chain) for image in known)
    if chain and missing:
        yield (
            THE_FILE,
            f"{missing} of {len(known)} slices of the CT are not listed: a planning system that "
            "fetches what is listed gets a scan with gaps.",
        )


@rule(
    "unknown-images-listed",
    Severity.WARNING,
    "PS3.3 C.8.8.5",
    "The referenced series lists no image that the CT does not have.",
    needs_ct=True,
)
def unknown_images_listed(subject: Subject) -> Iterator[tuple[str, str]]:
    """Slices are missing from the CT, or it is another one."""
    planes = planes_of(subject)
    for series in subject.file.referenced_series:
        if series.series_instance_uid != planes.series.series_instance_uid:
            continue
        files = {uid for uid, _ in planes.by_image}
        unknown = sum(
            image.sop_instance_uid not in files
            if image.frame is None
            else (image.sop_instance_uid, image.frame) not in planes.by_image
            for image in series.images
        )
        if unknown:
            yield (
                f"series {series.series_instance_uid}",
                f"{unknown} images that are listed are not among the CT's {len(planes.by_image)}: "
                "slices were lost, or the file belongs to another version of the scan.",
            )


RULES = (
    other_patient,
    other_study,
    other_frame,
    roi_in_other_frame,
    other_series_referenced,
    unlisted_slices,
    unknown_images_listed,
)
