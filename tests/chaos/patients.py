"""Patients of known content: each has a series of its own, and a body no other has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pydicom

from contouring.dicom_series import CTSeries, read_series
from contouring.phantom_scan import Scan
from contouring.phantom_series import SeriesHeader
from contouring.phantom_shapes import Sphere
from contouring.pipeline import contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from models.templates import GENERIC
from tests.chaos.script import Script
from tests.phantoms import SMALL_SCAN, write_small_series

CANARY = "KANARIENVOGEL"
"""Begins every patient's name and id: found in a log or in Redis, it is a leak."""

SMALLEST_MM, SIZES = 8.0, 7


@dataclass(frozen=True)
class Patient:
    """One series on disk; `checksums`: SHA-256 (hex) of its files by SOP Instance UID."""

    number: int
    files: tuple[Path, ...]
    checksums: Mapping[str, str]

    @property
    def patient_id(self) -> str:
        """As in every file of the patient."""
        return f"{CANARY}-{self.number}"

    def read(self) -> CTSeries:
        """The series, as the sender has it."""
        return read_series(self.files[0].parent)

    def contour(self, cascade: Cascade, made_at: datetime) -> bytes:
        """The structure set that a job recorded at `made_at` must give, to the last byte."""
        stamp = Stamp(made_at=made_at, software_version=version("oarlock"))
        return contour_series(self.read(), cascade, stamp, (GENERIC,)).outputs[0].rtstruct


def write_patient(
    folder: Path, number: int, script: Script | None = None, scan: Scan = SMALL_SCAN
) -> Patient:
    """A patient whose ball is of a size of its own; `script` tells the worker how to run it."""
    header = SeriesHeader(
        patient_name=f"{CANARY}^{number}",
        patient_id=f"{CANARY}-{number}",
        series_description=str(script or Script()),
        seed=f"{folder} {number}",
    )
    ball = Sphere((3.3, -2.1, 0.7), SMALLEST_MM + number % SIZES)
    files = tuple(write_small_series(folder / f"patient-{number:04d}", scan, ball, header))
    checksums = {
        str(pydicom.dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in files
    }
    return Patient(number, files, checksums)
