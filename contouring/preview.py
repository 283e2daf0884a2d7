"""A picture of the contours on the CT: axial, coronal and sagittal, for a quick look."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from contouring.contours import StructureContours
from contouring.lattice import canonical_order
from contouring.volume import CTVolume

SOFT_TISSUE_HU = (-160, 240)
PANEL_PIXELS = 480
LEGEND_PIXELS = 24
ENLARGEMENT = 4  # masks are drawn finer than pixels, so that outlines stay thin and smooth


def draw_preview(ct: CTVolume, drawn: Sequence[StructureContours]) -> bytes:
    """A PNG of three planes through the middle of the structures, with a legend."""
    centre = _centre(ct, drawn)
    panels = [_panel(ct, drawn, ct_axis, centre) for ct_axis in canonical_order(ct.grid)[0]]
    legend_lines = -(-len(drawn) // 6) or 1
    width = sum(panel.width for panel in panels)
    height = max(panel.height for panel in panels) + LEGEND_PIXELS * legend_lines
    picture = Image.new("RGB", (width, height))
    left = 0
    for panel in panels:
        picture.paste(panel, (left, 0))
        left += panel.width
    _draw_legend(picture, drawn, height - LEGEND_PIXELS * legend_lines)
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _centre(ct: CTVolume, drawn: Sequence[StructureContours]) -> tuple[int, int, int]:
    """The voxel in the middle of all contour points, or of the scan."""
    points = [c.points_mm for contours in drawn for c in contours.contours]
    if not points:
        slices, rows, columns = ct.grid.shape_zyx
        return slices // 2, rows // 2, columns // 2
    stacked = np.concatenate(points)
    middle = (stacked.min(axis=0) + stacked.max(axis=0)) / 2 - ct.grid.positions_mm[0]
    along = ct.grid.axis_directions @ middle
    slices, rows, columns = (
        int(np.abs(axis - value).argmin())
        for axis, value in zip(ct.grid.axes_mm, along, strict=True)
    )
    return slices, rows, columns


def _panel(
    ct: CTVolume,
    drawn: Sequence[StructureContours],
    ct_axis: int,
    centre: tuple[int, int, int],
) -> Image.Image:
    """One plane, perpendicular to a CT axis, upright as a radiologist sees it."""
    plane = np.take(ct.hu, centre[ct_axis], axis=ct_axis)
    low, high = SOFT_TISSUE_HU
    grey = (np.clip((plane.astype(np.float32) - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    size = _panel_size(ct, ct_axis)
    panel = Image.fromarray(_upright(ct, grey, ct_axis)).resize(size, Image.Resampling.BILINEAR)
    colours = np.array(panel.convert("RGB"))
    for contours in drawn:
        mask = _cut(ct, contours, ct_axis, centre[ct_axis])
        if mask.any():
            # Interpolated and cut at one half: smooth outlines also where slices are far apart.
            fine = Image.fromarray(_upright(ct, mask * np.uint8(255), ct_axis)).resize(
                size, Image.Resampling.BILINEAR
            )
            inside = np.asarray(fine) > 127
            outline = inside & ~ndimage.binary_erosion(inside)
            colours[outline] = contours.structure.colour_rgb
    return Image.fromarray(colours)


def _remaining(ct_axis: int) -> tuple[int, int]:
    first, second = (axis for axis in range(3) if axis != ct_axis)
    return first, second


def _panel_size(ct: CTVolume, ct_axis: int) -> tuple[int, int]:
    """(width, height) in pixels, in the patient's proportions."""
    vertical, horizontal = _display_axes(ct, ct_axis)
    extent = [float(np.ptp(axis)) + 1.0 for axis in ct.grid.axes_mm]
    scale = PANEL_PIXELS / max(extent)
    return max(round(extent[horizontal] * scale), 1), max(round(extent[vertical] * scale), 1)


def _display_axes(ct: CTVolume, ct_axis: int) -> tuple[int, int]:
    """The CT axes shown downwards and to the right: z over y over x of the patient."""
    vertical, horizontal = (axis for axis in canonical_order(ct.grid)[0] if axis != ct_axis)
    return vertical, horizontal


def _upright(ct: CTVolume, plane: NDArray[np.uint8], ct_axis: int) -> NDArray[np.uint8]:
    """Head up, the patient's front up, the patient's right on the viewer's left."""
    order, flipped = canonical_order(ct.grid)
    vertical, horizontal = _display_axes(ct, ct_axis)
    turned = plane if (vertical, horizontal) == _remaining(ct_axis) else plane.T
    vertical_flip = flipped[order.index(vertical)] != (order.index(vertical) == 0)
    horizontal_flip = flipped[order.index(horizontal)]
    rows = turned[::-1] if vertical_flip else turned
    return np.ascontiguousarray(rows[:, ::-1] if horizontal_flip else rows)


def _cut(ct: CTVolume, contours: StructureContours, ct_axis: int, index: int) -> NDArray[np.bool_]:
    """The structure's pixels on a plane of the CT, by the even-odd rule."""
    slices, rows, columns = ct.grid.shape_zyx
    shape = [slices, rows, columns]
    del shape[ct_axis]
    cut = np.zeros(shape, bool)
    for contour in contours.contours:
        if ct_axis == 0 and contour.slice_index != index:
            continue
        offsets = contour.points_mm - ct.grid.positions_mm[contour.slice_index]
        row_places = offsets @ ct.grid.column_direction / ct.grid.pixel_spacing_mm[0]
        column_places = offsets @ ct.grid.row_direction / ct.grid.pixel_spacing_mm[1]
        filled = _filled(row_places, column_places, (rows, columns))
        if ct_axis == 0:
            cut ^= filled
        else:
            cut[contour.slice_index] ^= filled[index] if ct_axis == 1 else filled[:, index]
    return cut


def _filled(
    row_places: NDArray[np.float64], column_places: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon(
        [(float(c), float(r)) for r, c in zip(row_places, column_places, strict=True)], fill=1
    )
    return np.asarray(canvas, bool)


def _draw_legend(picture: Image.Image, drawn: Sequence[StructureContours], top: int) -> None:
    pen = ImageDraw.Draw(picture)
    step = picture.width // 6
    for number, contours in enumerate(drawn):
        left = 8 + (number % 6) * step
        line = top + (number // 6) * LEGEND_PIXELS
        pen.rectangle((left, line + 7, left + 10, line + 17), contours.structure.colour_rgb)
        pen.text((left + 16, line + 6), contours.structure.name, "white")
