"""The CT's voxels in Hounsfield units, on their grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from contouring.decoders import Decoders
from contouring.dicom_series import CTSeries
from contouring.errors import SeriesRefusedError
from contouring.grid import Grid
from contouring.notices import Notice
from contouring.pixel_gate import check_hu
from contouring.slice_headers import name_place
from contouring.slice_pixels import PixelFile, Plane

READ_THREADS = 4


@dataclass(frozen=True, eq=False)
class CTVolume:
    """`hu`: (slices, rows, columns) int16, Hounsfield units, slices ascending along the normal.

    `in_view`: (rows, columns) bool, False where a pixel is padding or outside the reconstruction
    circle in every slice; what broadcasts to that is widened. `warnings`: what only pixels show.
    """

    grid: Grid
    hu: NDArray[np.int16]
    in_view: NDArray[np.bool_] = field(default_factory=lambda: np.ones((1, 1), bool))
    warnings: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "in_view", np.broadcast_to(self.in_view, self.hu.shape[1:]))


def build_volume(series: CTSeries, done: Callable[[float], None]) -> CTVolume:
    """Read the pixels of every slice, several at a time, and judge them.

    Raises `SeriesRefusedError` for a slice whose pixels cannot be decoded, with its place, and for
    a scan whose values are no CT numbers.
    """
    hu = np.empty(series.grid.shape_zyx, np.int16)
    in_view = np.zeros(hu.shape[1:], bool)
    adding = Lock()
    # A file of many frames is opened once; plain files are opened and dropped one by one.
    uses = Counter(instance.path for instance in series.instances)
    first = {instance.path: k for k, instance in reversed([*enumerate(series.instances)])}
    with Decoders() as decoders, ThreadPoolExecutor(READ_THREADS) as pool:
        opened = {
            path: PixelFile(path, _name_file(series, first[path]), decoders.decode)
            for path, count in uses.items()
            if count > 1
        }

        def open_file(index: int) -> PixelFile:
            path = series.instances[index].path
            return opened.get(path) or PixelFile(path, _name_file(series, index), decoders.decode)

        def read(index: int) -> None:
            """Into the volume itself: planes handed over could pile up to a second one."""
            plane = _read_plane(series, index, open_file)
            hu[index] = plane.hu
            with adding:
                np.logical_or(in_view, plane.in_view, out=in_view)

        try:
            for number, _ in enumerate(pool.map(read, range(len(hu)))):
                done((number + 1) / len(hu))
        finally:
            pool.shutdown(cancel_futures=True)  # a job that was cancelled waits for no slice
    return CTVolume(series.grid, hu, in_view, tuple(check_hu(hu, in_view, series.grid)))


def _read_plane(series: CTSeries, index: int, open_file: Callable[[int], PixelFile]) -> Plane:
    try:
        return open_file(index).read_plane(series.instances[index].frame)
    except SeriesRefusedError as error:
        place = _name_slice(series, index)
        if place in error.reason:
            raise
        raise SeriesRefusedError(error.fault, f"{error.reason} ({place})") from error


def _name_file(series: CTSeries, index: int) -> str:
    """A server has its own names for files: the place is what the sender can find."""
    instance = series.instances[index]
    if instance.file_name:
        return instance.file_name
    place = _name_slice(series, index)
    return place if instance.frame is None else f"the file of {place}"


def _name_slice(series: CTSeries, index: int) -> str:
    place = name_place(series.grid.positions_mm[index], series.grid.normal)
    return f"the slice at {place} mm"
