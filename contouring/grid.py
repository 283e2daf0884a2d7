"""Where voxels stand in the patient: the one place that knows axis order.

Patient coordinates are millimetres in LPS (DICOM PS3.3 C.7.6.2.1.1): +x to the patient's left, +y
to the posterior, +z to the head. Arrays of a CT are (slice, row, column); a point of slice k is

    ImagePositionPatient_k + column * column_spacing * row_direction
                           + row * row_spacing * column_direction

so every slice carries its own position, and nothing is inferred from a mean spacing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxel centres of a CT series.

    `positions_mm`: (slices, 3) ImagePositionPatient, centre of the first pixel of each slice,
    ascending along the normal; `row_direction`, `column_direction`: (3,) unit vectors of
    ImageOrientationPatient, along which column and row indices grow; `pixel_spacing_mm`:
    PixelSpacing, (between rows, between columns).
    """

    positions_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]
    column_direction: NDArray[np.float64]
    pixel_spacing_mm: tuple[float, float]
    rows: int
    columns: int

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        return len(self.positions_mm), self.rows, self.columns

    @cached_property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector along which slices ascend, (3,)."""
        return np.asarray(np.cross(self.row_direction, self.column_direction))

    @cached_property
    def axis_directions(self) -> NDArray[np.float64]:
        """(3, 3): unit vectors of the slice, row-index and column-index axes."""
        return np.stack([self.normal, self.column_direction, self.row_direction])

    @cached_property
    def axes_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Ascending coordinates of slices, rows and columns along their own axes, from 0 mm."""
        slices = np.asarray((self.positions_mm - self.positions_mm[0]) @ self.normal, np.float64)
        rows = np.arange(self.rows, dtype=np.float64) * self.pixel_spacing_mm[0]
        columns = np.arange(self.columns, dtype=np.float64) * self.pixel_spacing_mm[1]
        return slices, rows, columns

    @cached_property
    def spacing_zyx_mm(self) -> tuple[float, float, float]:
        """Median slice distance, row spacing and column spacing."""
        slices = self.axes_mm[0]
        between_slices = float(np.median(np.diff(slices))) if len(slices) > 1 else 1.0
        return between_slices, *self.pixel_spacing_mm

    @cached_property
    def slice_heights_mm(self) -> NDArray[np.float64]:
        """(slices,): the length of the normal each slice stands for; at the ends a whole gap."""
        slices = self.axes_mm[0]
        if len(slices) == 1:
            return np.array([1.0])
        gaps = np.diff(slices)
        return np.asarray((np.append(gaps[0], gaps) + np.append(gaps, gaps[-1])) / 2)

    def to_patient(
        self, slice_index: int, rows_mm: NDArray[np.float64], columns_mm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(n, 3) patient points of in-plane points of one slice, by that slice's own position.

        `rows_mm`, `columns_mm`: (n,) distances from the first pixel's centre along the row-index
        and the column-index axis.
        """
        in_plane = np.outer(rows_mm, self.column_direction) + np.outer(
            columns_mm, self.row_direction
        )
        return np.asarray(self.positions_mm[slice_index] + in_plane, np.float64)

    def slice_in_words(self, slice_index: int) -> str:
        """A slice as people find it: its number from 1 and its place along the patient."""
        axis = int(np.abs(self.normal).argmax())
        place = f"{'xyz'[axis]} = {float(self.positions_mm[slice_index, axis]):.1f} mm"
        return f"slice {slice_index + 1} of {len(self.positions_mm)}, {place}"
