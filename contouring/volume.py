"""The CT's voxels in Hounsfield units, on their grid."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.dicom_series import CTSeries
from contouring.grid import Grid
from contouring.slice_pixels import read_hu

READ_THREADS = 4


@dataclass(frozen=True, eq=False)
class CTVolume:
    """`hu`: (slices, rows, columns) int16, Hounsfield units, slices ascending along the normal."""

    grid: Grid
    hu: NDArray[np.int16]


def build_volume(series: CTSeries, done: Callable[[float], None]) -> CTVolume:
    """Read the pixels of every slice, several at a time.

    Raises `SeriesRefusedError` for a slice whose pixels cannot be decoded.
    """
    paths = [instance.path for instance in series.instances]
    hu = np.empty(series.grid.shape_zyx, np.int16)
    with ThreadPoolExecutor(READ_THREADS) as pool:
        for number, plane in enumerate(pool.map(read_hu, paths)):
            hu[number] = plane
            done((number + 1) / len(hu))
    return CTVolume(series.grid, hu)
