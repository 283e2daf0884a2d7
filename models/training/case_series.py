"""Training cases written as DICOM CT series, so that they can go through the whole pipeline."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

RESCALE_INTERCEPT = -1024
STORED_LIMIT = 2**16 - 1  # unsigned; what lies below or above is clipped, not wrapped


class Case(Protocol):
    """What a series is made of: a training case has more."""

    @property
    def name(self) -> str:
        """Of the patient."""

    @property
    def hu(self) -> NDArray[np.int16]:
        """(z, y, x) Hounsfield units, axes along LPS."""

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(z, y, x), 0 where nothing was drawn."""

    @property
    def spacing_zyx_mm(self) -> tuple[float, float, float]:
        """Between voxel centres."""


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """`hu`: (z, y, x) int16, Hounsfield units, axes along LPS; `labels`: (z, y, x) uint8."""

    name: str
    hu: NDArray[np.int16]
    labels: NDArray[np.uint8]
    spacing_zyx_mm: tuple[float, float, float]


def write_case(case: Case, folder: Path, columns: int | None = None) -> list[Path]:
    """One CT slice per file, head first supine; `columns` enlarges rows and columns to that many.

    Enlarged by linear interpolation between the same voxel centres, as a finer scan would look.
    """
    folder.mkdir(parents=True, exist_ok=True)
    case = case if columns is None else enlarged(case, columns)
    return [_write_slice(case, index, folder) for index in range(len(case.hu))]


def enlarged(case: Case, columns: int) -> LabelledVolume:
    """The case on `columns` x `columns` pixels over the same field of view."""
    rows_before, columns_before = case.hu.shape[1:]
    rows = columns * rows_before // columns_before
    places = [
        (np.arange(after) + 0.5) * before / after - 0.5
        for before, after in ((rows_before, rows), (columns_before, columns))
    ]
    hu = np.stack([np.round(_bilinear(plane, *places)) for plane in case.hu]).astype(np.int16)
    labels = np.stack([_smooth_labels(plane, *places) for plane in case.labels])
    z, y, x = case.spacing_zyx_mm
    spacing = (z, y * rows_before / rows, x * columns_before / columns)
    return LabelledVolume(case.name, hu, labels, spacing)


def _bilinear(
    plane: NDArray[np.number], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    across = np.stack([np.interp(columns, np.arange(plane.shape[1]), line) for line in plane])
    return np.stack([np.interp(rows, np.arange(plane.shape[0]), line) for line in across.T]).T


def _smooth_labels(
    plane: NDArray[np.uint8], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Each label interpolated and cut at one half: no staircase of the coarse pixels."""
    labels = np.zeros((len(rows), len(columns)), np.uint8)
    for label in np.unique(plane[plane > 0]):
        labels[_bilinear(plane == label, rows, columns) > 0.5] = label
    return labels


def _uid(*parts: str) -> UID:
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def _write_slice(case: Case, index: int, folder: Path) -> Path:
    z_mm, row_mm, column_mm = case.spacing_zyx_mm
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = _uid(case.name, "instance", str(case.hu.shape), str(index))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID = _uid(case.name, "study")
    dataset.SeriesInstanceUID = _uid(case.name, "series", str(case.hu.shape))
    dataset.FrameOfReferenceUID = _uid(case.name, "frame")
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientID = dataset.PatientName = case.name
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.StudyDate = dataset.SeriesDate = "20200101"
    dataset.StudyTime = dataset.SeriesTime = "120000"
    dataset.StudyID, dataset.SeriesNumber = "1", 1
    dataset.PatientPosition = "HFS"
    dataset.SeriesDescription = case.name
    dataset.InstanceNumber = index + 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, round(index * z_mm, 6)]
    dataset.PixelSpacing = [round(row_mm, 6), round(column_mm, 6)]
    dataset.SliceThickness = round(z_mm, 6)
    dataset.Rows, dataset.Columns = case.hu.shape[1:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, RESCALE_INTERCEPT
    stored = case.hu[index].astype(np.int32) - RESCALE_INTERCEPT
    dataset.PixelData = np.clip(stored, 0, STORED_LIMIT).astype("<u2").tobytes()
    path = folder / f"{case.name}-{index:04d}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path
