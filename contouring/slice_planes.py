"""A CT series as planes that contours read from a file are held against."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom.multival import MultiValue

from contouring.contour_shapes import FloatArray
from contouring.dicom_series import CTSeries
from contouring.structure_set_reader import ImageReference, ReadContour


@dataclass(frozen=True, eq=False)
class SlicePlanes:
    """The slices of a series as planes to hold contours against."""

    series: CTSeries

    @cached_property
    def by_image(self) -> dict[tuple[str, int | None], int]:
        """Slice index by SOP instance and frame."""
        return {
            (instance.sop_instance_uid, instance.frame): index
            for index, instance in enumerate(self.series.instances)
        }

    @cached_property
    def normal(self) -> FloatArray:
        """(3,) unit vector across the slices."""
        return np.cross(self.series.grid.row_direction, self.series.grid.column_direction)

    @cached_property
    def heights_mm(self) -> FloatArray:
        """(slices,) places of the slices along the normal."""
        return np.asarray(self.series.grid.positions_mm @ self.normal)

    @cached_property
    def spans_mm(self) -> FloatArray:
        """(slices,): half way to either neighbour; beyond the first and the last, as before it."""
        heights = self.heights_mm
        if len(heights) == 1:
            return np.ones(1)
        middles = (heights[1:] + heights[:-1]) / 2
        ends = 2 * heights[[0, -1]] - middles[[0, -1]]
        return np.diff([ends[0], *middles, ends[1]])

    def slice_of(self, images: tuple[ImageReference, ...]) -> int | None:
        """The slice that a contour names, if it is one of the series."""
        known = [self.by_image.get((image.sop_instance_uid, image.frame)) for image in images]
        return next((index for index in known if index is not None), None)

    def offsets_mm(self, contour: ReadContour) -> FloatArray:
        """(n,) places of a contour's points along the normal."""
        return np.asarray(contour.points_mm @ self.normal)

    def off_plane_mm(self, contour: ReadContour, index: int) -> float:
        """How far a contour strays from the plane of a slice."""
        return float(np.abs(self.offsets_mm(contour) - self.heights_mm[index]).max())

    def nearest(self, contour: ReadContour) -> int:
        """The slice whose plane lies nearest to a contour."""
        return int(np.abs(self.heights_mm - self.offsets_mm(contour).mean()).argmin())

    def in_pixels(self, contour: ReadContour) -> FloatArray:
        """(n, 2) row and column indices of a contour's points on its slice."""
        grid = self.series.grid
        named = self.slice_of(contour.images)
        index = self.nearest(contour) if named is None else named
        offsets = contour.points_mm - grid.positions_mm[index]
        axes = np.stack([grid.column_direction, grid.row_direction], axis=1)
        return np.asarray(offsets @ axes / grid.pixel_spacing_mm)


def told_in_ct(series: CTSeries, keyword: str) -> str:
    """A value of the CT's header as text, several joined by backslashes."""
    value = series.header.get(keyword)
    values = value if isinstance(value, MultiValue) else [value or ""]
    return "\\".join(str(single) for single in values).strip()
