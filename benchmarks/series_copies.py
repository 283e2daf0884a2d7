"""A CT series of a clinic's size, and copies of it that are patients of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

from benchmarks.patients import write_patient
from contouring.phantom_series import derived_uid

SLICES = 128
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def make_slices(folder: Path) -> list[FileDataset]:
    """A patient's head and neck."""
    return [pydicom.dcmread(file) for file in write_patient(folder, SLICES)]


def write_copy(slices: Sequence[FileDataset], folder: Path, number: int) -> list[Path]:
    """The files of copy `number`: other UIDs, the same pixels.

    The slices in hand are changed: they hold many bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for index, dataset in enumerate(slices):
        for keyword in UIDS:
            setattr(dataset, keyword, derived_uid(f"copy {number}", keyword))
        dataset.SOPInstanceUID = derived_uid(f"copy {number}", f"slice {index}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientID = f"COPY-{number}"
        files.append(folder / f"{index:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files
