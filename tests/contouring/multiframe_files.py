"""Enhanced CT files, made from the slices of a plain series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedCTImageStorage

PER_FRAME = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
}
SHARED = {
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
}


def write_enhanced(
    slices: Sequence[Path],
    file: Path,
    frame_values: Sequence[Mapping[str, object]] = (),
    sop_class: str = EnhancedCTImageStorage,
) -> Path:
    """One file with a frame for each slice, in their order (PS3.3 A.38).

    `frame_values`: what the FrameContentSequence, or for FrameType the CTImageFrameTypeSequence,
    of each frame says besides.
    """
    datasets = [pydicom.dcmread(path) for path in slices]
    whole = pydicom.dcmread(slices[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = sop_class
    whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = "1.2.840.99.1"
    whole.SharedFunctionalGroupsSequence = Items([_groups(datasets[0], SHARED)])
    per_frame = [_groups(dataset, PER_FRAME) for dataset in datasets]
    for groups, values in zip(per_frame, frame_values, strict=False):
        content, kind = Dataset(), Dataset()
        for keyword, value in values.items():
            setattr(kind if keyword == "FrameType" else content, keyword, value)
        groups.FrameContentSequence = Items([content])
        groups.CTImageFrameTypeSequence = Items([kind] if len(kind) else [])
    whole.PerFrameFunctionalGroupsSequence = Items(per_frame)
    for keywords in (*PER_FRAME.values(), *SHARED.values(), ("AcquisitionNumber", "ImageType")):
        for keyword in keywords:
            if keyword in whole:
                del whole[keyword]
    whole.NumberOfFrames = len(datasets)
    whole.PixelData = np.stack([dataset.pixel_array for dataset in datasets]).tobytes()
    whole.save_as(file)
    return file


def _groups(dataset: Dataset, groups: Mapping[str, Sequence[str]]) -> Dataset:
    made = Dataset()
    for name, keywords in groups.items():
        item = Dataset()
        for keyword in keywords:
            setattr(item, keyword, dataset[keyword].value)
        setattr(made, name, Items([item]))
    return made
