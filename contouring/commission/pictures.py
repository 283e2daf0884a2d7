"""Pictures of contours over the CT, in the CT's own rows and columns, with the truth beneath.

Axial pictures show a slice as it is stored. Coronal and sagittal ones are cuts through the stack,
head up; contours there are points, one where a contour meets the cut, and nothing is interpolated.
What is left, right, front, back, head and feet is written at the edges, by the patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from contouring.commission.cuts import Cut, choose_cuts
from contouring.phantom import Phantom, PhantomStructure
from contouring.phantom_deviation import DrawnSlices
from contouring.phantom_scan import Scan
from contouring.phantom_shapes import FloatArray

PIXELS_PER_MM = 5
OVERSAMPLING = 2  # drawn so much larger and then made smaller: smooth lines
# Everything in the phantom, and none of it so bright that a white line could not be seen on it.
SHOWN_HU = (-1000.0, 3100.0)
BRIGHTEST = 150
TRUTH_COLOUR = (255, 255, 255)
TRUTH_WIDTH_MM = 1.0  # wider than the drawn line on top: both can be seen
DRAWN_WIDTH_MM = 0.4
POINT_RADIUS_MM = 0.7
LETTER_PIXELS, NAME_PIXELS = 42, 27
SCALE_BAR_MM = 20.0

Colour = tuple[int, ...]


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows; `is_tall` for cuts from head to feet."""

    title: str
    png: bytes
    is_tall: bool


@dataclass(frozen=True)
class Scene:
    """What is drawn: the phantom's voxels (slices, rows, columns) HU, its truth, and contours of
    each structure by its name, with the colour of the file."""

    scan: Scan
    phantom: Phantom
    hu: NDArray[np.int16]
    drawn: dict[str, tuple[DrawnSlices, Colour]]


def draw_pictures(scene: Scene) -> tuple[Picture, ...]:
    """Axial pictures that show every structure, then one coronal and one sagittal one."""
    return tuple(
        Picture(cut.title, _png(_draw(scene, cut)), is_tall=cut.ct_axis != 0)
        for cut in choose_cuts(scene.phantom, scene.scan)
    )


def _png(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw(scene: Scene, cut: Cut) -> Image.Image:
    scale = PIXELS_PER_MM * OVERSAMPLING
    picture = Image.fromarray(_grey(scene.hu, cut, scale)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    names: list[tuple[FloatArray, PhantomStructure]] = []
    for structure in scene.phantom.structures:
        lines = [cut.on_picture(line) * scale for line in cut.true_lines(structure.shape)]
        for line in lines:
            _draw_line(pen, line, TRUTH_COLOUR, TRUTH_WIDTH_MM * scale)
        if lines:
            names.append((np.concatenate(lines) / OVERSAMPLING, structure))
    for slices, colour in scene.drawn.values():
        for edge in cut.drawn_lines(slices):
            _draw_line(pen, cut.on_picture(edge) * scale, colour, DRAWN_WIDTH_MM * scale)
        for x, y in cut.on_picture(cut.drawn_points(slices)) * scale:
            pen.circle((x, y), POINT_RADIUS_MM * scale, colour)
    size = (picture.width // OVERSAMPLING, picture.height // OVERSAMPLING)
    smooth = picture.resize(size, Image.Resampling.BOX)
    _write_names(smooth, names)
    _write_letters(smooth, cut)
    return smooth


def _grey(hu: NDArray[np.int16], cut: Cut, scale: int) -> NDArray[np.uint8]:
    """The voxels of the cut, each as large as it is."""
    low, high = SHOWN_HU
    plane = np.take(hu, cut.index, axis=cut.ct_axis)
    voxels = plane[np.ix_(*cut.nearest_voxels(scale))].astype(np.float64)
    share = np.clip((voxels - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * BRIGHTEST, np.uint8)


def _draw_line(pen: ImageDraw.ImageDraw, line: FloatArray, colour: Colour, width: float) -> None:
    pen.line([(x, y) for x, y in line.tolist()], fill=colour, width=round(width), joint="curve")


def _write_names(
    picture: Image.Image, names: Sequence[tuple[FloatArray, PhantomStructure]]
) -> None:
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(NAME_PIXELS)
    for points, structure in names:
        middle, top = (points[:, 0].min() + points[:, 0].max()) / 2.0, points[:, 1].min()
        pen.text(
            (middle, max(top - 4.0, NAME_PIXELS)),
            structure.name,
            fill="white",
            font=font,
            anchor="ms",
            stroke_width=3,
            stroke_fill="black",
        )


def _write_letters(picture: Image.Image, cut: Cut) -> None:
    """R, L, A, P, H and F at the edges, and a bar of `SCALE_BAR_MM`."""
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    letters = cut.letters
    for place, anchor, letter in (
        ((6, height / 2), "lm", letters.left),
        ((width - 6, height / 2), "rm", letters.right),
        ((width / 2, 5), "mt", letters.top),
        ((width / 2, height - 5), "mb", letters.bottom),
    ):
        pen.text(
            place,
            letter,
            fill="yellow",
            font=ImageFont.load_default(LETTER_PIXELS),
            anchor=anchor,
            stroke_width=3,
            stroke_fill="black",
        )
    left, low = 14, height - 16
    right = left + SCALE_BAR_MM * PIXELS_PER_MM
    pen.line([(left, low), (right, low)], fill="yellow", width=4)
    font = ImageFont.load_default(NAME_PIXELS)
    pen.text((left, low - 4), f"{SCALE_BAR_MM:.0f} mm", fill="yellow", font=font, anchor="lb")
