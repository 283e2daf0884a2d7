"""CT series found among files, from their headers alone.

Geometry comes only from ImagePositionPatient, ImageOrientationPatient and PixelSpacing of each
slice (DICOM PS3.3 C.7.6.2.1.1); SliceThickness, SliceLocation and the order of the files say
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID, CTImageStorage

from contouring.errors import (
    EmptyUploadError,
    MixedPatientsError,
    NoCTSeriesError,
    NotDicomError,
    SeriesRefusedError,
)
from contouring.grid import Grid
from contouring.series_gate import Header, check_series

DAMAGED = "a damaged DICOM file"
NOT_DICOM = "not a DICOM file"
IGNORED_NAMED = 5  # the rest is counted
# What a structure set copies from its CT.
PATIENT_AND_STUDY = (
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
)


@dataclass(frozen=True)
class Instance:
    """One slice on disk."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, eq=False)
class CTSeries:
    """A CT series that can be contoured.

    `instances` ascend along the slice normal, as `grid.positions_mm` does; `header` is the first
    instance's dataset without pixels, from which patient and study are copied.
    """

    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str
    description: str
    instances: tuple[Instance, ...]
    grid: Grid
    warnings: tuple[str, ...]
    header: Dataset

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return self.grid.shape_zyx


@dataclass(frozen=True)
class RefusedSeries:
    """A CT series that cannot be contoured faithfully, and why."""

    series_instance_uid: str
    fault: str
    reason: str
    file_count: int


@dataclass(frozen=True)
class SeriesSearch:
    """What was found: usable series, refused ones, and files that are no CT slice."""

    series: tuple[CTSeries, ...]
    refused: tuple[RefusedSeries, ...]
    ignored: tuple[str, ...]


def find_series(files: Sequence[Path], names: Mapping[Path, str] | None = None) -> SeriesSearch:
    """Group CT slices into series and judge each; reads headers, never pixels.

    `names`: what the sender called a file, for messages; its own name otherwise. Raises
    `EmptyUploadError`, `NotDicomError`, `NoCTSeriesError` and `MixedPatientsError`.
    """
    if not files:
        raise EmptyUploadError
    slices: dict[str, list[Header]] = {}
    ignored: list[str] = []
    for file in sorted(files):
        name = (names or {}).get(file, file.name)
        header = _read_header(file)
        unfit = header if isinstance(header, str) else _why_not_a_slice(header)
        if isinstance(header, str) or unfit:
            ignored.append(f"{name}: {unfit}")
        else:
            uid = str(header.get("SeriesInstanceUID", ""))
            slices.setdefault(uid, []).append(Header(file, name, header))
    if not slices:
        _raise_without_slices(ignored)
    _check_one_patient([header for group in slices.values() for header in group])
    # Which series a damaged file belonged to is unknown: each is told.
    damaged = tuple(f"{line}, left out." for line in ignored if line.endswith(DAMAGED))
    series, refused = [], []
    for uid, group in slices.items():
        try:
            series.append(_series(group, damaged))
        except SeriesRefusedError as error:
            refused.append(RefusedSeries(uid, error.fault, error.reason, len(group)))
    return SeriesSearch(tuple(series), tuple(refused), tuple(ignored))


def read_series(folder: Path) -> CTSeries:
    """The one usable CT series below a folder; what else lies there becomes a warning.

    Raises `SeriesRefusedError` when there is none or more than one, and what `find_series` raises.
    """
    search = find_series([path for path in sorted(folder.rglob("*")) if path.is_file()])
    if len(search.series) == 1:
        (series,) = search.series
        return replace(series, warnings=series.warnings + _left_out(search))
    if search.refused and not search.series:
        raise SeriesRefusedError(search.refused[0].fault, search.refused[0].reason)
    found = ", ".join(series.series_instance_uid for series in search.series)
    raise SeriesRefusedError(
        "several-series", f"{folder} holds several CT series ({found}): give one folder for each."
    )


def _left_out(search: SeriesSearch) -> tuple[str, ...]:
    refused = [
        f"Another series of {series.file_count} files was refused: {series.reason}"
        for series in search.refused
    ]
    ignored = [f"{line}, ignored." for line in search.ignored if not line.endswith(DAMAGED)]
    return (*refused, *ignored[:IGNORED_NAMED], *_rest(len(ignored) - IGNORED_NAMED))


def _rest(count: int) -> tuple[str, ...]:
    return (f"{count} more files were ignored.",) if count > 0 else ()


def _read_header(file: Path) -> Dataset | str:
    """The dataset without pixels, or what the file is instead."""
    try:
        return pydicom.dcmread(file, stop_before_pixels=True)
    except InvalidDicomError:
        return NOT_DICOM
    except (EOFError, ValueError, NotImplementedError, BytesLengthException):
        return DAMAGED if file.stat().st_size else NOT_DICOM


def _why_not_a_slice(header: Dataset) -> str:
    """Empty for an axial CT slice; otherwise what the file is instead."""
    try:
        sop_class = UID(str(header.get("SOPClassUID", "")))
        modality = str(header.get("Modality", "CT"))
        image_type = str(header.get("ImageType", "")).upper()
        for keyword in ("SeriesInstanceUID", "PatientID", "PatientName"):
            str(header.get(keyword))
    except (ValueError, NotImplementedError, BytesLengthException):  # pydicom decodes on access
        return DAMAGED
    if sop_class != CTImageStorage:
        return f"not a CT image ({sop_class.name or 'no SOP class'})"
    if modality != "CT":
        return f"not a CT image (modality {modality})"
    if "LOCALIZER" in image_type:
        return "a scout (localizer) image"
    return ""


def _raise_without_slices(ignored: list[str]) -> None:
    if all(line.endswith(NOT_DICOM) for line in ignored):
        raise NotDicomError(ignored[0].rsplit(":", 1)[0])
    raise NoCTSeriesError("; ".join(ignored[:3]) + ("; ..." if len(ignored) > 3 else ""))


def _check_one_patient(headers: list[Header]) -> None:
    first = headers[0]
    for header in headers[1:]:
        if header.patient != first.patient:
            raise MixedPatientsError(first.name, header.name)


def _series(headers: list[Header], damaged: tuple[str, ...]) -> CTSeries:
    checked = check_series(headers)
    first = checked.headers[0].dataset
    try:
        for keyword in (*PATIENT_AND_STUDY, "SeriesDescription"):
            str(first.get(keyword))
    except (ValueError, NotImplementedError, BytesLengthException) as error:
        name = checked.headers[0].name
        raise SeriesRefusedError(
            "damaged-header", f"The header of {name} cannot be read: {error}"
        ) from error
    return CTSeries(
        study_instance_uid=str(first.StudyInstanceUID),
        series_instance_uid=str(first.SeriesInstanceUID),
        frame_of_reference_uid=str(first.FrameOfReferenceUID),
        description=str(first.get("SeriesDescription", "")),
        instances=tuple(
            Instance(h.path, str(h.dataset.SOPClassUID), str(h.dataset.SOPInstanceUID))
            for h in checked.headers
        ),
        grid=checked.grid,
        warnings=checked.warnings + damaged,
        header=first,
    )
