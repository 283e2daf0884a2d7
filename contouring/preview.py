"""A picture of the contours on the CT: axial, coronal and sagittal, for a quick look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from contouring.contours import StructureContours
from contouring.grid import Grid
from contouring.lattice import canonical_order
from contouring.rasters import fill_even_odd
from contouring.volume import CTVolume

SOFT_TISSUE_HU = (-160, 240)
PANEL_PIXELS = 520  # the longest side shown, in any panel
SURROUNDINGS_MM = 35.0  # shown around the structures
LEGEND_COLUMNS = 6
LEGEND_LINE_PIXELS = 24


def draw_preview(ct: CTVolume, drawn: Sequence[StructureContours]) -> bytes:
    """A PNG of three planes through the middle of the structures, with a legend.

    Axial as seen from the feet; coronal from the front; sagittal from the patient's left.
    """
    scene = _Scene(ct, drawn)
    filled = [_filled(scene, contours) for contours in drawn]
    panels = [_panel(scene, filled, ct_axis) for ct_axis in scene.order]
    legend_lines = -(-len(drawn) // LEGEND_COLUMNS)
    tallest = max(panel.height for panel in panels)
    width = sum(panel.width for panel in panels)
    picture = Image.new("RGB", (width, tallest + LEGEND_LINE_PIXELS * legend_lines))
    left = 0
    for panel in panels:
        picture.paste(panel, (left, (tallest - panel.height) // 2))
        left += panel.width
    _draw_legend(picture, drawn, tallest)
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class _Scene:
    """What is shown: the CT around the contours, and how its axes lie in the patient."""

    ct: CTVolume
    drawn: Sequence[StructureContours]

    @property
    def grid(self) -> Grid:
        return self.ct.grid

    @cached_property
    def order(self) -> tuple[int, int, int]:
        """The CT axes towards head, back and left."""
        return canonical_order(self.grid)[0]

    @cached_property
    def flipped(self) -> dict[int, bool]:
        """Per CT axis, whether it runs away from head, back or left."""
        order, flipped = canonical_order(self.grid)
        return dict(zip(order, flipped, strict=True))

    @cached_property
    def bounds_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest place of any contour point along the three CT axes."""
        points = np.concatenate([c.points_mm for s in self.drawn for c in s.contours])
        along = (points - self.grid.positions_mm[0]) @ self.grid.axis_directions.T
        return along.min(axis=0), along.max(axis=0)

    @cached_property
    def shown(self) -> tuple[slice, slice, slice]:
        """The voxels shown along each CT axis."""
        low, high = self.bounds_mm
        slices, rows, columns = (
            slice(
                int(np.searchsorted(axis, low[k] - SURROUNDINGS_MM)),
                max(int(np.searchsorted(axis, high[k] + SURROUNDINGS_MM)), 1),
            )
            for k, axis in enumerate(self.grid.axes_mm)
        )
        return slices, rows, columns

    @cached_property
    def centre(self) -> tuple[int, int, int]:
        """The voxel in the middle of all contours."""
        low, high = self.bounds_mm
        slices, rows, columns = (
            int(np.abs(axis - (low[k] + high[k]) / 2).argmin())
            for k, axis in enumerate(self.grid.axes_mm)
        )
        return slices, rows, columns

    @cached_property
    def extent_mm(self) -> tuple[float, ...]:
        return tuple(
            float(np.ptp(axis[shown])) + float(axis[1] - axis[0])
            for axis, shown in zip(self.grid.axes_mm, self.shown, strict=True)
        )


def _panel(scene: _Scene, filled: list[NDArray[np.bool_]], ct_axis: int) -> Image.Image:
    """One plane, perpendicular to a CT axis."""
    low, high = SOFT_TISSUE_HU
    index = scene.centre[ct_axis] - scene.shown[ct_axis].start
    plane = np.take(scene.ct.hu[scene.shown], index, axis=ct_axis).astype(np.float32)
    grey = (np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    colours = np.array(_resized(scene, grey, ct_axis).convert("RGB"))
    for contours, volume in zip(scene.drawn, filled, strict=True):
        mask = np.take(volume, index, axis=ct_axis).astype(np.uint8) * 255
        # Interpolated and cut at one half: smooth outlines also where slices are far apart.
        inside = np.asarray(_resized(scene, mask, ct_axis)) > 127
        colours[inside & ~ndimage.binary_erosion(inside)] = contours.structure.colour_rgb
    return Image.fromarray(colours)


def _resized(scene: _Scene, plane: NDArray[np.uint8], ct_axis: int) -> Image.Image:
    """In the patient's proportions; head and front up, the patient's right on the left."""
    vertical, horizontal = (axis for axis in scene.order if axis != ct_axis)
    turned = plane if vertical < horizontal else plane.T
    # Rows run downwards: towards the back as the canonical axis does, but towards the feet.
    is_upside_down = scene.flipped[vertical] != (vertical == scene.order[0])
    rows = turned[::-1] if is_upside_down else turned
    columns = rows[:, ::-1] if scene.flipped[horizontal] else rows
    scale = PANEL_PIXELS / max(scene.extent_mm)
    size = (
        max(round(scene.extent_mm[horizontal] * scale), 1),
        max(round(scene.extent_mm[vertical] * scale), 1),
    )
    return Image.fromarray(np.ascontiguousarray(columns)).resize(size, Image.Resampling.BILINEAR)


def _filled(scene: _Scene, contours: StructureContours) -> NDArray[np.bool_]:
    """The structure's pixels in the part of the CT shown, by the even-odd rule."""
    slices, rows, columns = scene.shown
    grid = scene.grid
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    filled = np.zeros((slices.stop - slices.start, *shape), bool)
    for contour in contours.contours:
        offsets = contour.points_mm - grid.positions_mm[contour.slice_index]
        filled[contour.slice_index - slices.start] ^= fill_even_odd(
            offsets @ grid.column_direction / grid.pixel_spacing_mm[0] - rows.start,
            offsets @ grid.row_direction / grid.pixel_spacing_mm[1] - columns.start,
            shape,
        )
    return filled


def _draw_legend(picture: Image.Image, drawn: Sequence[StructureContours], top: int) -> None:
    pen = ImageDraw.Draw(picture)
    step = picture.width // LEGEND_COLUMNS
    for number, contours in enumerate(drawn):
        left = 8 + (number % LEGEND_COLUMNS) * step
        line = top + (number // LEGEND_COLUMNS) * LEGEND_LINE_PIXELS
        pen.rectangle((left, line + 7, left + 10, line + 17), contours.structure.colour_rgb)
        pen.text((left + 16, line + 6), contours.structure.name, "white")
