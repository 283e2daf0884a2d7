"""What one slice says of itself: a file's header, or one frame's of a multi-frame file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from contouring.dicom_files import UNREADABLE
from contouring.input_policies import refusal
from contouring.person_names import fold_name


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """A slice's attributes without pixels, and what to call it in messages.

    `dataset` holds the attributes of a CT Image (PS3.3 A.3) on its top level, also where the file
    is an enhanced one whose functional groups held them. `frame` counts from 0 and is None for a
    file of one plane.
    """

    path: Path
    name: str
    dataset: Dataset
    frame: int | None = None

    @property
    def patient(self) -> tuple[str, str]:
        """Who the slice belongs to, as the standard compares an ID and a name."""
        return self.text("PatientID").strip(), fold_name(self.text("PatientName"))

    @property
    def position_mm(self) -> NDArray[np.float64]:
        """ImagePositionPatient, (3,)."""
        return self.numbers("ImagePositionPatient", 3)

    @property
    def pixel_spacing_mm(self) -> tuple[float, float]:
        """Between rows, between columns."""
        between_rows, between_columns = self.numbers("PixelSpacing", 2)
        return float(between_rows), float(between_columns)

    @property
    def orientation(self) -> NDArray[np.float64]:
        """ImageOrientationPatient, (2, 3): row direction, column direction."""
        return self.numbers("ImageOrientationPatient", 6).reshape(2, 3)

    @property
    def normal(self) -> NDArray[np.float64]:
        """The direction in which slices ascend, (3,)."""
        return np.asarray(np.cross(*self.orientation))

    def text(self, keyword: str) -> str:
        """An attribute in words; empty where it is missing.

        Raises `SeriesRefusedError` where it cannot be decoded, which pydicom does on access.
        """
        try:
            value = self.dataset.get(keyword)
            return "" if value is None else str(value)
        except UNREADABLE as error:
            raise refusal(
                "damaged-header", f"The header of {self.name} cannot be read: {error}"
            ) from error

    def numbers(self, keyword: str, count: int) -> NDArray[np.float64]:
        """So many finite values, or `SeriesRefusedError`."""
        value = self.dataset.get(keyword)
        try:
            numbers = np.array(value, np.float64).reshape(-1)
        except (ValueError, TypeError):
            numbers = np.empty(0)
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise refusal(
                "unreadable-KEYWORD",
                f"{self.name} has the {keyword} {value!s}, where {count} number(s) should stand.",
                keyword,
            )
        return numbers


def name_place(position_mm: NDArray[np.float64], normal: NDArray[np.float64]) -> str:
    """The coordinate that tells slices apart ("z = -112.5"); on oblique ones, the first pixel."""
    axis = int(np.abs(normal).argmax())
    if abs(normal[axis]) > 0.99:
        return f"{'xyz'[axis]} = {_shown(position_mm[axis])}"
    return f"({', '.join(_shown(value) for value in position_mm)})"


def _shown(value: float) -> str:
    return f"{round(float(value), 2) + 0.0:.10g}"
