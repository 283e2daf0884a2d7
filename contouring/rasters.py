"""Masks of a written structure set: read back from its bytes, filled at pixel centres.

Shares no code with the writer, so that it can judge it.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from contouring.dicom_series import CTSeries

FloatArray = NDArray[np.float64]
Ring = tuple[FloatArray, FloatArray]


def read_masks(rtstruct: bytes, series: CTSeries) -> dict[str, NDArray[np.bool_]]:
    """Per ROI name, (slices, rows, columns): voxels whose centre lies inside, by even-odd.

    Contours are placed by the slice they reference.
    """
    dataset = pydicom.dcmread(BytesIO(rtstruct))
    names = {int(roi.ROINumber): str(roi.ROIName) for roi in dataset.StructureSetROISequence}
    return {
        names[int(item.ReferencedROINumber)]: _mask(item, series)
        for item in dataset.ROIContourSequence
    }


def _mask(item: Dataset, series: CTSeries) -> NDArray[np.bool_]:
    slices = {
        (instance.sop_instance_uid, instance.frame): k
        for k, instance in enumerate(series.instances)
    }
    mask = np.zeros(series.shape_zyx, bool)
    for contour in item.get("ContourSequence") or []:
        image = contour.ContourImageSequence[0]
        number = image.get("ReferencedFrameNumber")  # counts from 1
        frame = None if number is None else int(number) - 1
        index = slices[str(image.ReferencedSOPInstanceUID), frame]
        points = np.array(contour.ContourData, np.float64).reshape(-1, 3)
        offsets = points - series.grid.positions_mm[index]
        rows = offsets @ series.grid.column_direction / series.grid.pixel_spacing_mm[0]
        columns = offsets @ series.grid.row_direction / series.grid.pixel_spacing_mm[1]
        mask[index] ^= fill_even_odd(rows, columns, series.shape_zyx[1:])
    return mask


def fill_even_odd(
    rows: FloatArray, columns: FloatArray, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(rows, columns) pixels whose centre lies in a closed polygon of (n,) index coordinates."""
    return np.asarray(fill_rings([0], [(rows, columns)], (1, *shape))[0])


def fill_rings(
    slices: Sequence[int], rings: Sequence[Ring], shape_zyx: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """(slices, rows, columns) pixels inside an odd number of their slice's closed rings.

    `slices`: each ring's slice; `rings`: (n,) row and (n,) column indices of its corners, pixel
    centres at whole numbers.
    """
    return np.asarray(count_turns(slices, rings, shape_zyx)[1] % 2 == 1)


def count_turns(
    slices: Sequence[int], rings: Sequence[Ring], shape_zyx: tuple[int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Per pixel centre: how often the rings run around it, and how many lines lie before it.

    Every edge that crosses a row of centres counts for all pixels to its right: by its direction
    in the first array, as one in the second, whose odd values are the inside by even-odd.
    """
    slice_count, row_count, column_count = shape_zyx
    turns = np.zeros((slice_count, row_count, column_count + 1), np.int32)
    lines = np.zeros_like(turns)
    if not rings:
        return turns[..., :-1], lines[..., :-1]
    lengths = [len(rows) for rows, _ in rings]
    row_a, column_a = (np.concatenate(axis) for axis in zip(*rings, strict=True))
    row_b, column_b = (
        np.concatenate([np.roll(coordinates, -1) for coordinates in axis])
        for axis in zip(*rings, strict=True)
    )
    first = np.clip(np.ceil(np.minimum(row_a, row_b)), 0, row_count).astype(int)
    last = np.clip(np.ceil(np.maximum(row_a, row_b)), 0, row_count).astype(int)
    crossings = last - first
    edge = np.repeat(np.arange(len(row_a)), crossings)
    started = np.repeat(np.cumsum(crossings) - crossings, crossings)
    row = first[edge] + np.arange(len(edge)) - started
    slope = (column_b - column_a)[edge] / (row_b - row_a)[edge]
    at = np.ceil(column_a[edge] + (row - row_a[edge]) * slope)
    place = (
        np.repeat(slices, lengths)[edge],
        row,
        np.clip(at, 0, column_count).astype(int),
    )
    np.add.at(turns, place, np.where(row_b > row_a, 1, -1)[edge])
    np.add.at(lines, place, 1)
    np.cumsum(turns, axis=2, out=turns)
    np.cumsum(lines, axis=2, out=lines)
    return turns[..., :-1], lines[..., :-1]


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Twice the common voxels over all voxels of both; 1 if both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0
