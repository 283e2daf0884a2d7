"""A CT series together with what people drew on it, from wherever it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contouring.dicom_series import CTSeries

UNEVEN = 0.01  # of the median gap between slices


@dataclass(frozen=True, eq=False)
class DrawnScan:
    """`drawn`: (slices, rows, columns) bool by structure; what was not drawn is not there."""

    series: CTSeries
    drawn: Mapping[str, NDArray[np.bool_]]
    notes: tuple[str, ...] = ()


class ScanSource(Protocol):
    """A case that can be opened, also in another process."""

    @property
    def name(self) -> str:
        """What the case is called in every table."""

    def open(self, folder: Path) -> DrawnScan:
        """The scan, which may need the empty `folder` as long as it is used.

        Raises `UnusableInputError` for a case that cannot be judged.
        """


def note_uneven_slices(series: CTSeries) -> tuple[str, ...]:
    """Distances are measured on one spacing; a series that has several is told of."""
    gaps = np.diff(series.grid.axes_mm[0])
    median = series.grid.spacing_zyx_mm[0]
    if len(gaps) and float(np.abs(gaps - median).max()) > UNEVEN * median:
        return (
            f"Slices are {gaps.min():g} to {gaps.max():g} mm apart; distances are measured as if "
            f"all were {median:g} mm apart.",
        )
    return ()
