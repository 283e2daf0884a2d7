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
from contouring.preview_cuts import Cut, find_cut
from contouring.volume import CTVolume

SOFT_TISSUE_HU = (-160, 240)
PANEL_PIXELS = 520  # the longest side shown, in any panel
SURROUNDINGS_MM = 35.0  # shown around the structures
LEGEND_COLUMNS = 6
LEGEND_LINE_PIXELS = 24
NOT_CUT, NOT_CUT_GREY = "(not in these cuts)", (110, 110, 110)


def draw_preview(ct: CTVolume, drawn: Sequence[StructureContours]) -> bytes:
    """A PNG of three planes through the middle of the structures, with a legend.

    Axial as seen from the feet; coronal from the front; sagittal from the patient's left. A
    structure that none of the planes cuts is grey in the legend.
    """
    scene = _Scene(ct, drawn)
    cuts = [scene.find_cuts(ct_axis) for ct_axis in scene.order]
    panels = [_panel(scene, found, axis) for found, axis in zip(cuts, scene.order, strict=True)]
    legend_lines = -(-len(drawn) // LEGEND_COLUMNS)
    tallest = max(panel.height for panel in panels)
    width = sum(panel.width for panel in panels)
    picture = Image.new("RGB", (width, tallest + LEGEND_LINE_PIXELS * legend_lines))
    left = 0
    for panel in panels:
        picture.paste(panel, (left, (tallest - panel.height) // 2))
        left += panel.width
    are_cut = [any(cut.any() for cut in of_one) for of_one in zip(*cuts, strict=True)]
    _draw_legend(picture, drawn, are_cut, tallest)
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

    def pixels(self, axis: int) -> int:
        """How many pixels of a panel show a CT axis, in the patient's proportions."""
        return max(round(self.extent_mm[axis] * PANEL_PIXELS / max(self.extent_mm)), 1)

    def find_cuts(self, ct_axis: int) -> list[NDArray[np.bool_]]:
        """Per structure, where the plane across a CT axis cuts it, in pixels of that panel."""
        first, second = (axis for axis in range(3) if axis != ct_axis)
        shape = (self.pixels(first), self.pixels(second))
        cut = Cut(ct_axis, self.centre[ct_axis], self.shown, shape)
        return [find_cut(one.contours, self.grid, cut) for one in self.drawn]


def _panel(scene: _Scene, cuts: list[NDArray[np.bool_]], ct_axis: int) -> Image.Image:
    """One plane, perpendicular to a CT axis."""
    low, high = SOFT_TISSUE_HU
    index = scene.centre[ct_axis] - scene.shown[ct_axis].start
    plane = np.take(scene.ct.hu[scene.shown], index, axis=ct_axis).astype(np.float32)
    grey = (np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    size = tuple(scene.pixels(axis) for axis in range(2, -1, -1) if axis != ct_axis)
    resized = Image.fromarray(grey).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    colours = np.array(resized.convert("RGB"))
    for contours, inside in zip(scene.drawn, cuts, strict=True):
        colours[inside & ~ndimage.binary_erosion(inside)] = contours.structure.colour_rgb
    return Image.fromarray(_turned(scene, colours, ct_axis))


def _turned(scene: _Scene, plane: NDArray[np.uint8], ct_axis: int) -> NDArray[np.uint8]:
    """Head and front up, the patient's right on the left."""
    vertical, horizontal = (axis for axis in scene.order if axis != ct_axis)
    turned = plane if vertical < horizontal else plane.swapaxes(0, 1)
    # Rows run downwards: towards the back as the canonical axis does, but towards the feet.
    is_upside_down = scene.flipped[vertical] != (vertical == scene.order[0])
    rows = turned[::-1] if is_upside_down else turned
    columns = rows[:, ::-1] if scene.flipped[horizontal] else rows
    return np.ascontiguousarray(columns)


def _draw_legend(
    picture: Image.Image,
    drawn: Sequence[StructureContours],
    are_cut: Sequence[bool],
    top: int,
) -> None:
    pen = ImageDraw.Draw(picture)
    step = picture.width // LEGEND_COLUMNS
    for number, (contours, is_cut) in enumerate(zip(drawn, are_cut, strict=True)):
        left = 8 + (number % LEGEND_COLUMNS) * step
        line = top + (number // LEGEND_COLUMNS) * LEGEND_LINE_PIXELS
        square = (left, line + 7, left + 10, line + 17)
        if is_cut:
            pen.rectangle(square, contours.structure.colour_rgb)
            pen.text((left + 16, line + 6), contours.structure.name, "white")
        else:
            pen.rectangle(square, outline=NOT_CUT_GREY)
            pen.text((left + 16, line + 6), f"{contours.structure.name} {NOT_CUT}", NOT_CUT_GREY)
