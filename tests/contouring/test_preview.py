"""The picture: right way up, right way round, with the contours where the organs are."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from contouring.contours import StructureContours
from contouring.lattice import build_lattice
from contouring.masks import StructureField
from contouring.phantom_scan import PATIENT_POSITIONS, Scan, even_offsets
from contouring.phantom_shapes import HollowTube, Shape, Sphere
from contouring.preview import NOT_CUT_GREY, draw_preview
from contouring.structures import Structure
from contouring.volume import CTVolume
from tests.contouring.analytic_fields import trace_contours
from tests.contouring.grids import grid_of, voxels_mm

# A cube, so that the three panels are as wide as they are high.
CUBE = Scan(
    rows=30,
    columns=30,
    row_spacing_mm=2.0,
    column_spacing_mm=2.0,
    slice_offsets_mm=even_offsets(30, 2.0),
)
SIDES = {
    "Left": (14.0, 0.0, 0.0),
    "Right": (-14.0, 0.0, 0.0),
    "Back": (0.0, 14.0, 0.0),
    "Front": (0.0, -14.0, 0.0),
    "Head": (0.0, 0.0, 14.0),
    "Feet": (0.0, 0.0, -14.0),
}
COLOURS = {
    "Left": (255, 0, 0),
    "Right": (0, 255, 0),
    "Back": (0, 0, 255),
    "Front": (255, 255, 0),
    "Head": (255, 0, 255),
    "Feet": (0, 255, 255),
}


def drawn(scan: Scan, name: str, shape: Shape) -> StructureContours:
    """The contours of a shape."""
    x, y, z = np.moveaxis(voxels_mm(scan), -1, 0)
    lattice = build_lattice(grid_of(scan))
    field = lattice.to_canonical(shape.field_mm(x, y, z).astype(np.float32))
    structure = Structure(1, name, COLOURS[name])
    return trace_contours(StructureField(structure, field, lattice), grid_of(scan))


def preview(scan: Scan) -> Image.Image:
    """A ball on each side of the patient, in soft tissue."""
    ct = CTVolume(grid_of(scan), np.zeros(scan.shape_zyx, np.int16))
    balls = [drawn(scan, name, Sphere(at, 7.0)) for name, at in SIDES.items()]
    return Image.open(BytesIO(draw_preview(ct, balls)))


def places(picture: Image.Image, panel: int) -> dict[str, NDArray[np.float64]]:
    """(row, column) of the middle of each ball's outline in a panel, by name."""
    side = picture.width // 3
    pixels = np.asarray(picture.convert("RGB"))[:side, panel * side : (panel + 1) * side]
    found = {name: np.argwhere((pixels == colour).all(axis=-1)) for name, colour in COLOURS.items()}
    return {name: spots.mean(axis=0) for name, spots in found.items() if len(spots) > 20}


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_every_panel_is_the_right_way_up_and_round_in_every_position(position: str) -> None:
    """Who checks a picture takes left and right from where they are used to see them."""
    picture = preview(replace(CUBE, position=position))

    axial, coronal, sagittal = (places(picture, panel) for panel in range(3))

    assert set(axial) == {"Left", "Right", "Back", "Front"}
    assert axial["Left"][1] > axial["Right"][1] + 100
    assert axial["Back"][0] > axial["Front"][0] + 100
    assert set(coronal) == {"Left", "Right", "Head", "Feet"}
    assert coronal["Left"][1] > coronal["Right"][1] + 100
    assert coronal["Feet"][0] > coronal["Head"][0] + 100
    assert set(sagittal) == {"Back", "Front", "Head", "Feet"}
    assert sagittal["Back"][1] > sagittal["Front"][1] + 100
    assert sagittal["Feet"][0] > sagittal["Head"][0] + 100


def test_outlines_lie_where_the_organs_are() -> None:
    """Half a voxel of the picture is what interpolation may cost."""
    picture = preview(CUBE)

    pixels_per_mm = picture.width / 3 / 60.0
    middle = picture.width / 6
    for panel, (rows, columns) in enumerate([(1, 0), (2, 0), (2, 1)]):
        for name, spot in places(picture, panel).items():
            down = SIDES[name][rows] * (-1 if rows == 2 else 1)
            expected = middle + np.array([down, SIDES[name][columns]]) * pixels_per_mm
            assert np.abs(spot - expected).max() < 1.0 * pixels_per_mm, (panel, name)


def test_it_is_a_png_that_fits_a_screen() -> None:
    """It is opened in a browser."""
    picture = preview(CUBE)

    assert picture.format == "PNG"
    assert 600 < picture.width < 2500
    assert 250 < picture.height < 1500


def test_the_legend_names_each_structure_by_its_colour() -> None:
    """Eleven colours are not told apart without names."""
    picture = preview(CUBE)

    legend = np.asarray(picture.convert("RGB"))[picture.width // 3 :]

    for colour in COLOURS.values():
        assert np.count_nonzero((legend == colour).all(axis=-1)) > 50
    assert np.count_nonzero((legend > 150).all(axis=-1)) > 50  # white letters


def test_a_hole_is_not_filled() -> None:
    """A keyhole must look like a ring."""
    ct = CTVolume(grid_of(CUBE), np.zeros(CUBE.shape_zyx, np.int16))
    ring = drawn(CUBE, "Left", HollowTube((0.0, 0.0, 0.0), 24.0, 8.0, 26.0))

    picture = Image.open(BytesIO(draw_preview(ct, [ring])))

    side = picture.width // 3
    pixels = np.asarray(picture.convert("RGB"))[:side, :side]
    spots = np.argwhere((pixels == COLOURS["Left"]).all(axis=-1)) - side / 2
    distances_mm = np.hypot(*spots.T) * 60.0 / side
    assert np.count_nonzero(np.abs(distances_mm - 24.0) < 1.5) > 300
    assert np.count_nonzero(np.abs(distances_mm - 8.0) < 1.5) > 100
    assert np.count_nonzero(np.abs(distances_mm - 16.0) < 5.0) == 0


@pytest.mark.parametrize("slices", [(0.0, 5.0, 30.0), (0.0, 1.0, 2.0)])
def test_few_or_uneven_slices_are_drawn_too(slices: tuple[float, ...]) -> None:
    """A short scan must not cost the job its result."""
    scan = replace(CUBE, slice_offsets_mm=slices)
    ct = CTVolume(grid_of(scan), np.zeros(scan.shape_zyx, np.int16))

    content = draw_preview(ct, [drawn(scan, "Head", Sphere((0.0, 0.0, 1.0), 9.0))])

    pixels = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    assert np.count_nonzero((pixels == COLOURS["Head"]).all(axis=-1)) > 50


def test_what_no_cut_shows_is_grey_in_the_legend() -> None:
    """A reader would look for its colour, and miss a structure that is in the file."""
    ct = CTVolume(grid_of(CUBE), np.zeros(CUBE.shape_zyx, np.int16))
    balls = [
        drawn(CUBE, "Left", Sphere((14.0, 14.0, 14.0), 5.0)),
        drawn(CUBE, "Right", Sphere((-14.0, -14.0, -14.0), 5.0)),
        drawn(CUBE, "Back", Sphere((0.0, 0.0, 0.0), 5.0)),
    ]

    picture = Image.open(BytesIO(draw_preview(ct, balls))).convert("RGB")

    colours = {colour for _, colour in picture.getcolors(1 << 16) or []}
    assert COLOURS["Back"] in colours
    assert not {COLOURS["Left"], COLOURS["Right"]} & colours
    assert NOT_CUT_GREY in colours


@pytest.mark.parametrize("gap_mm", [1.0, 3.0])
def test_lines_across_slices_climb_without_steps(gap_mm: float) -> None:
    """A border that looks stair-stepped looks like an error of the contours."""
    scan = replace(CUBE, slice_offsets_mm=even_offsets(round(60 / gap_mm), gap_mm))
    ct = CTVolume(grid_of(scan), np.zeros(scan.shape_zyx, np.int16))
    ball = drawn(scan, "Head", Sphere((0.0, 0.0, 0.0), 20.0))

    picture = Image.open(BytesIO(draw_preview(ct, [ball]))).convert("RGB")

    side = picture.width // 3
    for panel in range(3):
        pixels = np.asarray(picture)[:side, panel * side : (panel + 1) * side]
        spots = np.argwhere((pixels == COLOURS["Head"]).all(axis=-1)) + 0.5 - side / 2
        radii_mm = np.hypot(*spots.T) * 60.0 / side
        is_off_poles = np.abs(spots[:, 0]) * 60.0 / side < 16.0
        assert np.abs(radii_mm - 20.0)[is_off_poles].max() < 0.4, panel
