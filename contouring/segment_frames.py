"""Segments on the CT's own pixels: contours filled by slice, and slices as sources of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DSfloat

from contouring.contours import StructureContours
from contouring.dicom_series import CTSeries
from contouring.rasters import fill_rings

EMPTY_ATTRIBUTES = (  # highdicom asks for them; what it writes of them is replaced
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


def find_slices(drawn: Sequence[StructureContours]) -> list[int]:
    """The slices that any contour lies on, ascending."""
    return sorted({contour.slice_index for found in drawn for contour in found.contours})


def fill_segments(
    drawn: Sequence[StructureContours], series: CTSeries, slices: Sequence[int]
) -> NDArray[np.uint8]:
    """Which pixel centres lie inside: of `slices`, (slices, rows, columns) numbers of segments
    from 1, or, where two share a pixel, (slices, rows, columns, segments) of 0 and 1."""
    masks = [_fill(found, series, slices) for found in drawn]
    numbers = np.zeros((len(slices), *series.shape_zyx[1:]), np.uint8)
    for number, (box, inside) in enumerate(masks, start=1):
        if len(drawn) > np.iinfo(np.uint8).max or numbers[box][inside].any():
            break
        numbers[box][inside] = number
    else:
        return numbers
    stacked = np.zeros((*numbers.shape, len(drawn)), np.uint8)
    for index, (box, inside) in enumerate(masks):
        stacked[(*box, index)] = inside
    return stacked


def build_sources(series: CTSeries, slices: Sequence[int]) -> list[Dataset]:
    """Each slice as highdicom wants to see a single-frame CT image, with a UID of its own."""
    grid = series.grid
    spacing = [_decimal(side) for side in grid.pixel_spacing_mm]
    directions = (*grid.row_direction, *grid.column_direction)
    sources = []
    for index in slices:
        source = Dataset()
        for keyword in EMPTY_ATTRIBUTES:
            setattr(source, keyword, None)
        source.SOPClassUID = CTImageStorage
        source.SOPInstanceUID = stand_in_uid(series, index)
        source.StudyInstanceUID = series.study_instance_uid
        source.SeriesInstanceUID = series.series_instance_uid
        source.FrameOfReferenceUID = series.frame_of_reference_uid
        source.Modality = "CT"
        source.Rows, source.Columns = grid.rows, grid.columns
        source.PixelSpacing = spacing
        source.SliceThickness = _decimal(grid.spacing_zyx_mm[0])
        source.ImagePositionPatient = [_decimal(value) for value in grid.positions_mm[index]]
        source.ImageOrientationPatient = [_decimal(value) for value in directions]
        sources.append(source)
    return sources


def stand_in_uid(series: CTSeries, slice_index: int) -> str:
    """The UID of a slice's instance; of a frame of a multi-frame instance, one that is its own."""
    instance = series.instances[slice_index]
    is_frame = instance.frame is not None
    return f"2.25.{slice_index + 1}" if is_frame else instance.sop_instance_uid


def _fill(
    found: StructureContours, series: CTSeries, slices: Sequence[int]
) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]]:
    """A box of the slices' pixels, and which of them lie inside the contours."""
    grid = series.grid
    rings, places = [], []
    for contour in found.contours:
        offsets_mm = contour.points_mm - grid.positions_mm[contour.slice_index]
        rows = offsets_mm @ grid.column_direction / grid.pixel_spacing_mm[0]
        columns = offsets_mm @ grid.row_direction / grid.pixel_spacing_mm[1]
        rings.append((rows, columns))
        places.append(slices.index(contour.slice_index))
    first, last = min(places), max(places) + 1
    rows_box = _box(np.concatenate([ring[0] for ring in rings]), grid.rows)
    columns_box = _box(np.concatenate([ring[1] for ring in rings]), grid.columns)
    inside = fill_rings(
        [place - first for place in places],
        [(rows - rows_box.start, columns - columns_box.start) for rows, columns in rings],
        (last - first, rows_box.stop - rows_box.start, columns_box.stop - columns_box.start),
    )
    return (slice(first, last), rows_box, columns_box), inside


def _box(indices: NDArray[np.float64], length: int) -> slice:
    """The pixels that may lie inside lines with these corners, one at least."""
    first = int(np.clip(np.floor(indices.min()), 0, length - 1))
    return slice(first, int(np.clip(np.ceil(indices.max()) + 1, first + 1, length)))


def _decimal(value: float) -> DSfloat:
    return DSfloat(float(value), auto_format=True)
