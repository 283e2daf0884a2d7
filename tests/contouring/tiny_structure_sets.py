"""A small structure set, and how other software sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from contouring.contours import Contour, StructureContours
from contouring.dicom_series import CTSeries, read_series
from contouring.provenance import Origin, Stamp
from contouring.rtstruct import write_structure_set
from contouring.structures import CodedConcept, Structure
from tests.contouring.ct_files import edit, write_tiny_series
from tests.iod_tables import highdicom_findings
from tests.judges import dciodvfy_errors, drtdump_warnings

ORIGIN = Origin("commissioning", "1.0.0", "0123456789abcdef" * 4)
STAMP = Stamp(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC), "0.1.0")
PAROTID = Structure(
    2,
    "Parotid_L",
    (10, 20, 30),
    description="Left parotid gland",
    code=CodedConcept("45289007", "SCT", "Parotid gland"),
    laterality=CodedConcept("7771000", "SCT", "Left"),
)
CORD = Structure(1, "SpinalCord", (255, 0, 255), interpreted_type="")


def circle(series: CTSeries, slice_index: int, radius_mm: float = 5.0) -> Contour:
    """A round contour in the middle of a slice."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = series.grid.to_patient(
        slice_index, 9 + radius_mm * np.sin(angle), 11 + radius_mm * np.cos(angle)
    )
    return Contour(slice_index, points)


def drawn_on(series: CTSeries, *structures: Structure) -> list[StructureContours]:
    """Every structure on slices 2, 3 and 5."""
    contours = tuple(circle(series, k) for k in (2, 3, 5))
    return [StructureContours(structure, contours, 1.2345678) for structure in structures]


def tiny_series(folder: Path, values: dict[str, Any] | None = None) -> CTSeries:
    """A tiny series whose headers hold `values`; None takes one away."""
    for file in write_tiny_series(folder):
        if values:
            edit(file, **values)
    return read_series(folder)


def written(
    folder: Path, *structures: Structure, values: dict[str, Any] | None = None
) -> tuple[bytes, CTSeries]:
    """The file's bytes for a tiny series, and that series."""
    series = tiny_series(folder, values)
    drawn = drawn_on(series, *(structures or (CORD, PAROTID)))
    return write_structure_set(series, drawn, ORIGIN, STAMP), series


def parsed(content: bytes) -> pydicom.FileDataset:
    """As any reader sees it."""
    return pydicom.dcmread(BytesIO(content))


def complaints(content: bytes, folder: Path) -> list[str]:
    """What three judges have to say against the file."""
    file = folder / "rtstruct.dcm"
    file.write_bytes(content)
    return [*dciodvfy_errors(file), *drtdump_warnings(file), *highdicom_findings(file)]
