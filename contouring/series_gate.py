"""What a CT series must satisfy before it is contoured; each fault names the file or slice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.uid import UID

from contouring.errors import SeriesRefusedError
from contouring.grid import Grid

NEEDED = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
SAME_IN_ALL = ("StudyInstanceUID", "FrameOfReferenceUID", "Rows", "Columns")
LEAST_SLICES = 3
ORIENTATION_TOLERANCE = 1e-4  # direction cosines
SAME_POSITION_MM = 0.01  # jitter that scanners write
SPACING_TOLERANCE = 0.01  # of the median slice distance
WHOLE_STEPS_TOLERANCE = 0.05  # of a step, when a gap is taken for missing slices
LASTING_GAPS = 3  # so many wide gaps in a row are a change of spacing, not a loss


@dataclass(frozen=True, eq=False)
class Header:
    """A slice's dataset without pixels, and what to call it in messages."""

    path: Path
    name: str
    dataset: Dataset

    @property
    def patient(self) -> tuple[str, str]:
        """Who the slice belongs to."""
        return str(self.dataset.get("PatientID", "")), str(self.dataset.get("PatientName", ""))

    @property
    def position_mm(self) -> NDArray[np.float64]:
        """ImagePositionPatient, (3,)."""
        return self._numbers("ImagePositionPatient", 3)

    @property
    def pixel_spacing_mm(self) -> tuple[float, float]:
        """Between rows, between columns."""
        between_rows, between_columns = self._numbers("PixelSpacing", 2)
        return float(between_rows), float(between_columns)

    @property
    def orientation(self) -> NDArray[np.float64]:
        """ImageOrientationPatient, (2, 3): row direction, column direction."""
        return self._numbers("ImageOrientationPatient", 6).reshape(2, 3)

    def _numbers(self, keyword: str, count: int) -> NDArray[np.float64]:
        """So many finite values, or `SeriesRefusedError`."""
        value = self.dataset.get(keyword)
        try:
            numbers = np.array(value, np.float64).reshape(-1)
        except (ValueError, TypeError):
            numbers = np.empty(0)
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise SeriesRefusedError(
                f"unreadable-{keyword}",
                f"{self.name} has the {keyword} {value!s}, not {count} numbers: its place in the "
                "patient is unknown.",
            )
        return numbers


@dataclass(frozen=True, eq=False)
class CheckedSeries:
    """Headers ascending along the slice normal, their grid and what deserves a warning."""

    headers: tuple[Header, ...]
    grid: Grid
    warnings: tuple[str, ...]


def check_series(headers: list[Header]) -> CheckedSeries:
    """The series in order, or `SeriesRefusedError` with the first fault found."""
    for header in headers:
        try:
            _check_attributes(header)
        except (ValueError, NotImplementedError, BytesLengthException) as error:
            raise SeriesRefusedError(
                "damaged-header", f"The header of {header.name} cannot be read: {error}"
            ) from error
    headers, warnings = _without_repeats(headers)
    if len(headers) < LEAST_SLICES:
        raise SeriesRefusedError(
            "too-few-slices",
            f"The series has {len(headers)} slices; at least {LEAST_SLICES} are needed.",
        )
    _check_alike(headers)
    headers = _sorted(headers)
    grid = _grid(headers)
    _check_tilt(headers, grid)
    warnings += _check_gaps(headers, grid)
    return CheckedSeries(tuple(headers), grid, tuple(warnings))


def _check_attributes(header: Header) -> None:
    dataset = header.dataset
    for keyword in NEEDED:
        if dataset.get(keyword) in (None, ""):
            raise SeriesRefusedError(
                f"no-{keyword}",
                f"{header.name} has no {keyword}: its place in the patient is unknown.",
            )
    for keyword in UIDS:
        if not UID(str(dataset.get(keyword))).is_valid:
            raise SeriesRefusedError(
                f"invalid-{keyword}",
                f"{header.name} has a {keyword} that is no UID: digits and points, at most 64.",
            )
    if str(dataset.get("AnatomicalOrientationType", "BIPED")) == "QUADRUPED":
        raise SeriesRefusedError("quadruped", f"{header.name} is of an animal.")
    directions = header.orientation
    if not np.allclose(directions @ directions.T, np.eye(2), atol=ORIENTATION_TOLERANCE):
        raise SeriesRefusedError(
            "orientation-not-orthonormal",
            f"{header.name} has an ImageOrientationPatient that is not orthonormal: "
            f"{list(dataset.ImageOrientationPatient)}.",
        )
    _ = header.position_mm  # raises if it is not three numbers
    if min(header.pixel_spacing_mm) <= 0:
        raise SeriesRefusedError("pixel-spacing", f"{header.name} has a PixelSpacing of zero.")


def _without_repeats(headers: list[Header]) -> tuple[list[Header], list[str]]:
    """Drops files that repeat another to the byte; refuses those that only share its UID."""
    first: dict[str, Header] = {}
    repeats = 0
    for header in headers:
        known = first.setdefault(str(header.dataset.SOPInstanceUID), header)
        if known is header:
            continue
        if known.path.read_bytes() != header.path.read_bytes():
            raise SeriesRefusedError(
                "same-uid-other-bytes",
                f"{known.name} and {header.name} have the same SOP Instance UID but differ.",
            )
        repeats += 1
    warnings = [f"{repeats} repeated files were dropped."] if repeats else []
    return list(first.values()), warnings


def _check_alike(headers: list[Header]) -> None:
    first = headers[0]
    for header in headers[1:]:
        for keyword in SAME_IN_ALL:
            if header.dataset.get(keyword) != first.dataset.get(keyword):
                raise SeriesRefusedError(
                    f"mixed-{keyword}",
                    f"{first.name} and {header.name} differ in {keyword}: "
                    f"{first.dataset.get(keyword)} and {header.dataset.get(keyword)}.",
                )
        if not np.allclose(first.pixel_spacing_mm, header.pixel_spacing_mm, rtol=0, atol=1e-6):
            raise SeriesRefusedError(
                "mixed-PixelSpacing", f"{first.name} and {header.name} differ in PixelSpacing."
            )
        if not np.allclose(first.orientation, header.orientation, atol=ORIENTATION_TOLERANCE):
            raise SeriesRefusedError(
                "mixed-ImageOrientationPatient",
                f"{first.name} and {header.name} lie in different planes.",
            )


def _sorted(headers: list[Header]) -> list[Header]:
    normal = np.cross(*headers[0].orientation)
    return sorted(headers, key=lambda header: float(header.position_mm @ normal))


def _grid(headers: list[Header]) -> Grid:
    first = headers[0].dataset
    row_direction, column_direction = headers[0].orientation
    return Grid(
        positions_mm=np.stack([header.position_mm for header in headers]),
        row_direction=row_direction,
        column_direction=column_direction,
        pixel_spacing_mm=headers[0].pixel_spacing_mm,
        rows=int(first.Rows),
        columns=int(first.Columns),
    )


def _check_tilt(headers: list[Header], grid: Grid) -> None:
    """Slices must be stacked along their normal; a tilted gantry shifts them in the plane."""
    offsets = grid.positions_mm - grid.positions_mm[0]
    sideways = offsets - (offsets @ grid.normal)[:, None] * grid.normal
    shift_mm = np.linalg.norm(sideways, axis=1)
    worst = int(shift_mm.argmax())
    if shift_mm[worst] > 0.1 * min(grid.pixel_spacing_mm):
        raise SeriesRefusedError(
            "gantry-tilt",
            f"{headers[worst].name} is shifted {shift_mm[worst]:.1f} mm within its plane against "
            f"{headers[0].name} (gantry tilt): resample the scan without tilt first.",
        )


def _check_gaps(headers: list[Header], grid: Grid) -> list[str]:
    """Refuses slices in one place and lost slices; warns of uneven but complete spacing."""
    gaps = np.diff(grid.axes_mm[0])
    step = float(np.median(gaps))
    closest = int(gaps.argmin())
    if gaps[closest] < SAME_POSITION_MM:
        raise SeriesRefusedError(
            "duplicate-position",
            f"{headers[closest].name} and {headers[closest + 1].name} lie in the same place.",
        )
    wide = gaps > 1.5 * step
    for index in np.flatnonzero(wide):
        steps = gaps[index] / step
        is_whole = abs(steps - round(steps)) < WHOLE_STEPS_TOLERANCE
        if is_whole and not _lasts(gaps, int(index)):
            low, high = (grid.positions_mm[i] for i in (index, index + 1))
            raise SeriesRefusedError(
                "missing-slice",
                f"{round(steps) - 1} slice(s) missing between {_place(low)} and {_place(high)} "
                f"({headers[index].name}, {headers[index + 1].name}).",
            )
    if np.ptp(gaps) > max(SPACING_TOLERANCE * step, SAME_POSITION_MM):
        return [f"Slices are {gaps.min():.2f} to {gaps.max():.2f} mm apart; each keeps its place."]
    return []


def _lasts(gaps: NDArray[np.float64], index: int) -> bool:
    """Whether the gap is one of several equal ones in a row."""
    alike = np.abs(gaps - gaps[index]) < SPACING_TOLERANCE * gaps[index]
    first = last = index
    while first > 0 and alike[first - 1]:
        first -= 1
    while last + 1 < len(gaps) and alike[last + 1]:
        last += 1
    return last - first + 1 >= LASTING_GAPS


def _place(position_mm: NDArray[np.float64]) -> str:
    """The coordinate that tells slices apart, for an axial scan z."""
    return f"z = {position_mm[2]:.2f} mm"
