"""The frames of an enhanced or legacy converted CT (DICOM PS3.3 A.38, A.70) as single slices.

Such a file says what holds for all frames in SharedFunctionalGroupsSequence and what holds for each
in PerFrameFunctionalGroupsSequence (C.7.6.16). Here both are laid over the file's own attributes,
under the names that a plain CT Image uses, so that nothing later needs to know of either.
"""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
)

from contouring.dicom_files import UNREADABLE
from contouring.input_policies import refusal
from contouring.slice_headers import SliceHeader

SLICE_CLASSES = frozenset(
    {CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
)
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# An attribute of a functional group: what a plain CT Image calls it.
FRAME_ATTRIBUTES = {
    "ImagePositionPatient": "ImagePositionPatient",
    "ImageOrientationPatient": "ImageOrientationPatient",
    "PixelSpacing": "PixelSpacing",
    "RescaleSlope": "RescaleSlope",
    "RescaleIntercept": "RescaleIntercept",
    "RescaleType": "RescaleType",
    "FrameType": "ImageType",
    "VolumetricProperties": "VolumetricProperties",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "AcquisitionNumber": "AcquisitionNumber",
    "ImagesInAcquisition": "ImagesInAcquisition",
    "TemporalPositionIndex": "TemporalPositionIndex",
    "TemporalPositionIdentifier": "TemporalPositionIdentifier",
    "NominalPercentageOfRespiratoryPhase": "NominalPercentageOfRespiratoryPhase",
    "NominalPercentageOfCardiacPhase": "NominalPercentageOfCardiacPhase",
    "StackID": "StackID",
    "ConvolutionKernel": "ConvolutionKernel",
}
# The only functional group (PS3.3 C.7.6.16) whose word counts for an attribute.
MACROS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
}


def split_frames(file: SliceHeader) -> list[SliceHeader]:
    """One header for each frame; a file of one plane is its own and has no frame number.

    Raises `SeriesRefusedError` where they cannot be read, or frames and their functional groups are
    not as many.
    """
    try:
        return _split(file)
    except UNREADABLE as error:
        raise refusal(
            "damaged-header", f"The header of {file.name} cannot be read: {error}"
        ) from error


def _split(file: SliceHeader) -> list[SliceHeader]:
    count = int(file.dataset.get("NumberOfFrames") or 1)
    if file.dataset.SOPClassUID == CTImageStorage:
        if count != 1:
            raise refusal(
                "not-one-plane", f"{file.name} holds {count} frames but only one position."
            )
        return [file]
    shared, per_frame = (file.dataset.get(keyword) or [] for keyword in GROUPS)
    if len(per_frame) != count:
        raise refusal(
            "frame-count",
            f"{file.name} has {count} frames and the places of {len(per_frame)}.",
        )
    whole = Dataset()
    whole.update({e.tag: e for e in file.dataset if e.keyword not in GROUPS})
    whole.file_meta = file.dataset.file_meta
    for groups in shared:
        _lay_over(whole, groups)
    frames = []
    for number, groups in enumerate(per_frame):
        frame = Dataset()
        frame.update(whole)
        frame.file_meta = whole.file_meta
        _lay_over(frame, groups)
        name = f"{file.name} (frame {number + 1})"
        frames.append(replace(file, name=name, dataset=frame, frame=number))
    return frames


def _lay_over(dataset: Dataset, groups: Dataset) -> None:
    """A maker's private groups may hold other values of the same attributes: they say nothing."""
    for group in groups:
        is_known = group.VR == "SQ" and not group.tag.is_private
        for item in (group.value or [])[:1] if is_known else []:
            for keyword, plain in FRAME_ATTRIBUTES.items():
                if keyword in item and MACROS.get(keyword, group.keyword) == group.keyword:
                    setattr(dataset, plain, item[keyword].value)
