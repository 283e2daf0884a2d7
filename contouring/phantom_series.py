"""The phantom as a DICOM CT series, written as a scanner would write it."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from contouring.dicom_files import UNREADABLE, read_header
from contouring.phantom import HEAD_AND_NECK, Phantom
from contouring.phantom_scan import Scan

FILE_NAME = re.compile(r"CT\d{4}\.dcm")


@dataclass(frozen=True)
class SeriesHeader:
    """What a series says besides its geometry.

    `made_at` is the time of study, series and slices. Stored values are
    (HU - `rescale_intercept`) / `rescale_slope` as unsigned 16-bit integers. `seed` sets all
    UIDs together with everything else that was asked for: other pixels never share a UID.
    """

    patient_name: str = "Phantom^Oarlock"
    patient_id: str = "OARLOCK-PHANTOM"
    series_description: str = "Oarlock phantom"
    made_at: datetime = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    seed: str = "oarlock"
    rescale_slope: float = 1.0
    rescale_intercept: float = -1024.0
    shuffle_files: bool = False


def write_phantom(
    folder: Path,
    position: str = "HFS",
    *,
    phantom: Phantom = HEAD_AND_NECK,
    scan: Scan | None = None,
    header: SeriesHeader | None = None,
) -> list[Path]:
    """Write a CT series of the phantom into `folder` and return its files.

    `scan` brings its own patient position; without it the default planes are taken in
    `position`. The files are returned in ascending order along the slice normal, also where
    `header.shuffle_files` gives them names in another order.
    """
    scan = scan or Scan(position=position)
    header = header or SeriesHeader()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in _file_names(scan, header)]
    dataset = _series_dataset(phantom, scan, header)
    for index, (file, hu) in enumerate(zip(files, scan.slices(phantom), strict=True)):
        _set_slice(dataset, scan, index, _stored_values(hu, header))
        dataset.save_as(file, enforce_file_format=True)
    return files


def holds_other_than_phantom(folder: Path) -> bool:
    """Whether a folder holds anything but slices that `write_phantom` may have written there."""
    return folder.is_dir() and not all(_is_of_phantom(path) for path in folder.iterdir())


def _is_of_phantom(path: Path) -> bool:
    if not path.is_file() or FILE_NAME.fullmatch(path.name) is None:
        return False
    try:
        return str(read_header(path).get("PatientID")) == SeriesHeader.patient_id
    except UNREADABLE:
        return False


def _file_names(scan: Scan, header: SeriesHeader) -> list[str]:
    names = [f"CT{number:04d}.dcm" for number in range(1, len(scan.slice_offsets_mm) + 1)]
    if header.shuffle_files:
        random.Random(header.seed).shuffle(names)  # nosec B311 # the same order each time
    return names


def _series_dataset(phantom: Phantom, scan: Scan, header: SeriesHeader) -> Dataset:
    """Everything that all slices share; keywords are those of DICOM PS3.3 A.3 (CT Image IOD)."""
    source = f"{header!r} {scan!r} {phantom!r}"
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CTImageStorage
    for kind in ("Study", "Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(dataset, f"{kind}Date", header.made_at.strftime("%Y%m%d"))
        setattr(dataset, f"{kind}Time", header.made_at.strftime("%H%M%S"))
    dataset.AccessionNumber = ""
    dataset.Modality = "CT"
    dataset.Manufacturer = "Oarlock"
    dataset.ManufacturerModelName = "Analytic phantom"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Oarlock commissioning"
    dataset.SeriesDescription = header.series_description
    dataset.PatientName = header.patient_name
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.BodyPartExamined = "HEADNECK"
    dataset.KVP = 120
    dataset.PatientPosition = scan.position
    dataset.StudyInstanceUID = derived_uid(source, "study")
    dataset.SeriesInstanceUID = derived_uid(source, "series")
    dataset.FrameOfReferenceUID = derived_uid(source, "frame of reference")
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    dataset.AcquisitionNumber = 1
    dataset.PositionReferenceIndicator = ""
    _set_planes(dataset, scan)
    _set_pixel_format(dataset, scan, header)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _set_planes(dataset: Dataset, scan: Scan) -> None:
    offsets = scan.slice_offsets_mm
    dataset.SliceThickness = _number(float(np.diff(offsets).min()) if len(offsets) > 1 else 1.0)
    dataset.PixelSpacing = [_number(scan.row_spacing_mm), _number(scan.column_spacing_mm)]
    dataset.ImageOrientationPatient = [
        _number(value) for value in (*scan.row_direction, *scan.column_direction)
    ]


def _set_pixel_format(dataset: Dataset, scan: Scan, header: SeriesHeader) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = scan.rows, scan.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.RescaleIntercept = _number(header.rescale_intercept)
    dataset.RescaleSlope = _number(header.rescale_slope)
    dataset.RescaleType = "HU"


def _set_slice(dataset: Dataset, scan: Scan, index: int, stored_values: NDArray[np.uint16]) -> None:
    dataset.SOPInstanceUID = derived_uid(dataset.SeriesInstanceUID, f"slice {index}")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.InstanceNumber = index + 1
    dataset.ImagePositionPatient = [_number(value) for value in scan.origin_mm(index)]
    dataset.PixelData = stored_values.astype("<u2").tobytes()


def _stored_values(hu: NDArray[np.int16], header: SeriesHeader) -> NDArray[np.uint16]:
    """(rows, columns) uint16 stored values of int16 HU of the same shape."""
    values = np.rint((hu - header.rescale_intercept) / header.rescale_slope)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise ValueError("These rescale values take the phantom's HU out of 16 unsigned bits.")
    return np.asarray(values, dtype=np.uint16)


def derived_uid(*sources: str) -> str:
    """A UID under 2.25 (DICOM PS3.5 B.2) that is the same for the same sources."""
    digest = hashlib.sha256("\n".join(sources).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16])}"


def _number(value: float) -> DSfloat:
    """A decimal string of at most 16 bytes, without a negative zero."""
    return DSfloat(float(value) + 0.0, auto_format=True)
