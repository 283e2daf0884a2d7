"""How a scanner looks at the phantom: slice planes in the patient, and the HU sampled on them.

The anatomy is fixed in the patient (LPS millimetres); patient position and obliqueness change
only where rows, columns and slices run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from contouring.phantom import Phantom
from contouring.phantom_shapes import IDENTITY, Box, FloatArray, Matrix, Vector

# A scanner's image is the gantry as seen from the foot of the table. Row and column direction
# by how the patient lies, head first (DICOM PS3.3 C.7.3.1.1.2); with the feet first left and
# right of the image change places.
_HEAD_FIRST: dict[str, tuple[Vector, Vector]] = {
    "S": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "P": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "DR": ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)),
    "DL": ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
}
PATIENT_POSITIONS = tuple(f"{end}F{lying}" for end in "HF" for lying in _HEAD_FIRST)


def even_offsets(slices: int, spacing_mm: float) -> tuple[float, ...]:
    """Slice offsets about 0 mm, `spacing_mm` apart."""
    return tuple((index - (slices - 1) / 2.0) * spacing_mm for index in range(slices))


@dataclass(frozen=True)
class Scan:
    """The planes of a CT series.

    `row_spacing_mm` lies between rows, `column_spacing_mm` between columns. `slice_offsets_mm`
    are distances along the slice normal (row direction x column direction), ascending, from
    `centre_mm`, the patient point in the middle of the image at offset 0. `obliqueness` turns
    the scanner's axes in the patient.
    """

    position: str = "HFS"
    rows: int = 512
    columns: int = 512
    row_spacing_mm: float = 0.9766
    column_spacing_mm: float = 0.9766
    slice_offsets_mm: tuple[float, ...] = even_offsets(100, 2.5)
    centre_mm: Vector = (0.0, 0.0, 0.0)
    obliqueness: Matrix = IDENTITY

    def __post_init__(self) -> None:
        if self.position not in PATIENT_POSITIONS:
            raise ValueError(f"{self.position!r} is none of {', '.join(PATIENT_POSITIONS)}.")
        if not self.slice_offsets_mm or np.any(np.diff(self.slice_offsets_mm) <= 0.0):
            raise ValueError("slice_offsets_mm must hold at least one offset and ascend.")
        turn = np.array(self.obliqueness)
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) or np.linalg.det(turn) < 0.0:
            raise ValueError("obliqueness must be a rotation matrix.")

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return (len(self.slice_offsets_mm), self.rows, self.columns)

    @cached_property
    def row_direction(self) -> FloatArray:
        """Unit vector along which the column index grows, (3,)."""
        return np.array(self.obliqueness) @ self._upright_axes()[0]

    @cached_property
    def column_direction(self) -> FloatArray:
        """Unit vector along which the row index grows, (3,)."""
        return np.array(self.obliqueness) @ self._upright_axes()[1]

    @cached_property
    def normal(self) -> FloatArray:
        """Unit vector along which slices ascend, (3,)."""
        return np.cross(self.row_direction, self.column_direction)

    def origin_mm(self, slice_index: int) -> FloatArray:
        """Centre of the slice's first pixel, (3,): ImagePositionPatient."""
        middle = np.array(self.centre_mm) + self.slice_offsets_mm[slice_index] * self.normal
        across = (self.columns - 1) / 2.0 * self.column_spacing_mm * self.row_direction
        down = (self.rows - 1) / 2.0 * self.row_spacing_mm * self.column_direction
        return np.asarray(middle - across - down, dtype=np.float64)

    def pixel_mm(self, slice_index: int, row: float, column: float) -> FloatArray:
        """Patient point (3,) of a pixel's centre; fractions are allowed."""
        across = column * self.column_spacing_mm * self.row_direction
        down = row * self.row_spacing_mm * self.column_direction
        return np.asarray(self.origin_mm(slice_index) + across + down, dtype=np.float64)

    def slice_hu(self, phantom: Phantom, slice_index: int) -> NDArray[np.int16]:
        """(rows, columns) int16 HU, sampled at the pixel centres."""
        every = (slice(0, self.rows), slice(0, self.columns))
        hu = np.empty((self.rows, self.columns), dtype=np.float64)
        hu[...] = phantom.body.hu(*self._coordinates(slice_index, *every))
        for layer in phantom.layers:
            window = self._window(slice_index, layer.bounds())
            if window is not None:
                coordinates = self._coordinates(slice_index, *window)
                hu[window] = layer.painted(hu[window], *coordinates)
        return np.rint(hu).astype(np.int16)

    def hu(self, phantom: Phantom) -> NDArray[np.int16]:
        """(z, y, x) int16 HU of all slices, in the order of `slice_offsets_mm`."""
        return np.stack(list(self.slices(phantom)))

    def slices(self, phantom: Phantom) -> Iterator[NDArray[np.int16]]:
        """`slice_hu` of each slice in turn."""
        return (self.slice_hu(phantom, index) for index in range(len(self.slice_offsets_mm)))

    def _upright_axes(self) -> tuple[FloatArray, FloatArray]:
        row, column = _HEAD_FIRST[self.position[2:]]
        side = 1.0 if self.position.startswith("HF") else -1.0
        return side * np.array(row), np.array(column)

    def _coordinates(
        self, slice_index: int, rows: slice, columns: slice
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """x, y and z of a block of pixels, each only as large as broadcasting needs."""
        origin = self.origin_mm(slice_index)
        down = np.arange(rows.start, rows.stop)[:, np.newaxis] * self.row_spacing_mm
        across = np.arange(columns.start, columns.stop)[np.newaxis, :] * self.column_spacing_mm
        x, y, z = (
            _along(origin[axis], self.column_direction[axis], down)
            + _along(0.0, self.row_direction[axis], across)
            for axis in range(3)
        )
        return x, y, z

    def _window(self, slice_index: int, box: Box) -> tuple[slice, slice] | None:
        """Rows and columns of the slice that may lie in `box`; None where none do."""
        offsets = box.corners_mm() - self.origin_mm(slice_index)
        heights = offsets @ self.normal
        if heights.min() > 0.0 or heights.max() < 0.0:
            return None
        rows = _index_range(offsets @ self.column_direction / self.row_spacing_mm, self.rows)
        columns = _index_range(offsets @ self.row_direction / self.column_spacing_mm, self.columns)
        return (rows, columns) if rows.stop > rows.start and columns.stop > columns.start else None


def _along(start: float, step: float, distance: FloatArray) -> FloatArray:
    # A zero step keeps one number, so that fields of axial slices stay cheap.
    return start + step * distance if step != 0.0 else np.full((1, 1), start)


def _index_range(indices: FloatArray, count: int) -> slice:
    start = max(0, int(np.floor(indices.min())))
    return slice(start, max(start, min(count, int(np.ceil(indices.max())) + 1)))
