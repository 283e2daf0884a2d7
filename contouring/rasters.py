"""Masks of a written structure set: read back from its bytes, filled at pixel centres.

Shares no code with the writer, so that it can judge it.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from contouring.dicom_series import CTSeries


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
    slices = {instance.sop_instance_uid: k for k, instance in enumerate(series.instances)}
    mask = np.zeros(series.shape_zyx, bool)
    for contour in item.get("ContourSequence") or []:
        index = slices[str(contour.ContourImageSequence[0].ReferencedSOPInstanceUID)]
        points = np.array(contour.ContourData, np.float64).reshape(-1, 3)
        offsets = points - series.grid.positions_mm[index]
        rows = offsets @ series.grid.column_direction / series.grid.pixel_spacing_mm[0]
        columns = offsets @ series.grid.row_direction / series.grid.pixel_spacing_mm[1]
        mask[index] ^= fill_even_odd(rows, columns, series.shape_zyx[1:])
    return mask


def fill_even_odd(
    rows: NDArray[np.float64], columns: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(rows, columns) pixels whose centre lies inside a closed polygon of (n,) index coordinates.

    Every edge that crosses a row of centres toggles all pixels to its right.
    """
    toggles = np.zeros((shape[0], shape[1] + 1), np.int32)
    for row_a, column_a, row_b, column_b in zip(
        rows, columns, np.roll(rows, -1), np.roll(columns, -1), strict=True
    ):
        first = max(int(np.ceil(min(row_a, row_b))), 0)
        last = min(int(np.ceil(max(row_a, row_b))), shape[0])
        if first < last:
            crossed = np.arange(first, last)
            at = column_a + (crossed - row_a) * (column_b - column_a) / (row_b - row_a)
            np.add.at(toggles, (crossed, np.clip(np.ceil(at), 0, shape[1]).astype(int)), 1)
    return np.asarray(np.cumsum(toggles[:, :-1], axis=1) % 2 == 1)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Twice the common voxels over all voxels of both; 1 if both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0
