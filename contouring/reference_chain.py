"""The reference chain: frame of reference, study, series and every slice (PS3.3 C.8.8.5)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID

from contouring.dicom_series import CTSeries

# Detached Study Management (retired), as RT Referenced Study Sequence still names the study.
DETACHED_STUDY = UID("1.2.840.10008.3.1.2.3.1")


def reference_chain(series: CTSeries) -> Dataset:
    """The one item of Referenced Frame of Reference Sequence: one image item per instance."""
    referenced_series = Dataset()
    referenced_series.SeriesInstanceUID = series.series_instance_uid
    referenced_series.ContourImageSequence = DicomSequence(_image_references(series))
    study = Dataset()
    study.ReferencedSOPClassUID = DETACHED_STUDY
    study.ReferencedSOPInstanceUID = series.study_instance_uid
    study.RTReferencedSeriesSequence = DicomSequence([referenced_series])
    frame = Dataset()
    frame.FrameOfReferenceUID = series.frame_of_reference_uid
    frame.RTReferencedStudySequence = DicomSequence([study])
    return frame


def frame_numbers(series: CTSeries) -> tuple[int | None, ...]:
    """Of each slice: its Referenced Frame Number, from 1; None in a single-frame instance."""
    return tuple(
        None if instance.frame is None else instance.frame + 1 for instance in series.instances
    )


def _image_references(series: CTSeries) -> list[Dataset]:
    frames: dict[tuple[str, str], list[int]] = {}
    for instance, number in zip(series.instances, frame_numbers(series), strict=True):
        held = frames.setdefault((instance.sop_class_uid, instance.sop_instance_uid), [])
        held.extend([] if number is None else [number])
    return [
        _image_reference(sop_class, uid, sorted(numbers))
        for (sop_class, uid), numbers in frames.items()
    ]


def _image_reference(sop_class_uid: str, sop_instance_uid: str, frames: list[int]) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = sop_class_uid
    reference.ReferencedSOPInstanceUID = sop_instance_uid
    if frames:
        reference.ReferencedFrameNumber = frames
    return reference
