"""Slices to send: large, plain, and each with UIDs of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

SIDE = 512


def write_slices(folder: Path, count: int, series_uid: str) -> list[Path]:
    """Files of 0.5 MB of one series, 3 mm apart."""
    folder.mkdir(parents=True)
    dataset = _build(series_uid)
    pixels = np.random.default_rng(0).integers(-1000, 1000, (SIDE, SIDE), np.int16)
    files = []
    for number in range(1, count + 1):
        uid = f"{series_uid}.{number}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [-250, -250, 3.0 * number]
        pixels[0, :2] = number, -number
        dataset.PixelData = pixels.tobytes()
        files.append(folder / f"{number:04d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def _build(series_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientName = "Ingest^Benchmark"
    dataset.PatientID = "INGEST"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = pydicom.uid.generate_uid(None, [series_uid])
    dataset.SeriesInstanceUID = series_uid
    dataset.FrameOfReferenceUID = pydicom.uid.generate_uid(None, [series_uid, "frame"])
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [0.977, 0.977]
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return dataset
