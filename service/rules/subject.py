"""What rules are asked about: a usable series, who sent it, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from contouring.dicom_series import CTSeries
from service.rules.body_part import BodyPartFinding, find_body_part
from workers.sources import Source

UNEVEN = "uneven-spacing"  # the gate's notice
DIGITS = 3  # of a millimetre: what a position's last digit leaves must not decide a rule


@dataclass(frozen=True)
class Geometry:
    """How a series lies in space.

    `spacing_mm`: between slices, the median; `pixel_spacing_mm`: the larger of rows and columns;
    `extent_mm`: from the first slice's middle to the last one's; `is_even`: as the gate sees it.
    """

    slices: int
    spacing_mm: float
    pixel_spacing_mm: float
    extent_mm: float
    rows: int
    columns: int
    is_even: bool


@dataclass(frozen=True, eq=False)
class Subject:
    """A series as rules see it; `header` is one slice's, without pixels."""

    header: Dataset
    source: Source
    geometry: Geometry
    body_part: BodyPartFinding


def build_subject(series: CTSeries, source: Source) -> Subject:
    """A series that passed the gate, from a sender."""
    grid = series.grid
    slices, rows, columns = grid.shape_zyx
    geometry = Geometry(
        slices=slices,
        spacing_mm=round(grid.spacing_zyx_mm[0], DIGITS),
        pixel_spacing_mm=round(max(grid.pixel_spacing_mm), DIGITS),
        extent_mm=round(float(grid.axes_mm[0][-1]), DIGITS),
        rows=rows,
        columns=columns,
        is_even=all(notice.name != UNEVEN for notice in series.warnings),
    )
    return Subject(series.header, source, geometry, find_body_part(series.header))
