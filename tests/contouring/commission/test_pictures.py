"""What pictures show: the voxels, the truth in white and the file's contours in its colour."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from contouring.commission.cuts import axes_mm, choose_cuts
from contouring.commission.pictures import BRIGHTEST, PIXELS_PER_MM, Scene, draw_pictures
from contouring.phantom_deviation import Truth
from contouring.phantom_scan import PATIENT_POSITIONS, Scan
from tests.contouring.commission.conftest import COURSE
from tests.phantoms import SMALL_SCAN

GREEN = (0, 255, 0)


def pixels_of(png: bytes) -> NDArray[np.int16]:
    """(lines, columns, 3)."""
    return np.array(Image.open(BytesIO(png)), np.int16)


def true_scene(scan: Scan) -> Scene:
    """The truth itself, as if a file held it."""
    drawn = {}
    for structure in COURSE.phantom.structures:
        slices = Truth(structure.shape, scan).slices
        loops = {index: list(cut.contours_mm) for index, cut in enumerate(slices)}
        drawn[structure.name] = (loops, GREEN)
    return Scene(scan, COURSE.phantom, scan.hu(COURSE.phantom), drawn)


def test_contours_lie_in_their_own_colour_on_a_wider_white_truth() -> None:
    """A deviation is seen as green beside white."""
    scene = true_scene(SMALL_SCAN)

    pictures = draw_pictures(scene)
    bare = draw_pictures(replace(scene, drawn={}))

    for picture, without in zip(pictures, bare, strict=True):
        green = (pixels_of(picture.png) == GREEN).all(axis=2)
        white = (pixels_of(without.png) > BRIGHTEST).all(axis=2)
        assert green.sum() > 50
        assert ndimage.distance_transform_edt(~white)[green].max() < 0.5 * PIXELS_PER_MM


@pytest.mark.parametrize("position", PATIENT_POSITIONS)
def test_a_bright_voxel_is_where_its_place_in_the_patient_is(position: str) -> None:
    """The CT under the contours must not be mirrored while the contours are right."""
    scan = replace(SMALL_SCAN, position=position)
    cuts = choose_cuts(COURSE.phantom, scan)
    voxel = [cut.index for cut in sorted(cuts[-3:], key=lambda cut: cut.ct_axis)]
    air = np.full(scan.shape_zyx, -1000, np.int16)
    spot = air.copy()
    spot[tuple(voxel)] = 3100
    places = [float(axis[index]) for axis, index in zip(axes_mm(scan), voxel, strict=True)]
    scene = replace(true_scene(scan), drawn={})

    dark, bright = (draw_pictures(replace(scene, hu=hu)) for hu in (air, spot))

    for cut, without, picture in list(zip(cuts, dark, bright, strict=True))[-3:]:
        lit = (pixels_of(picture.png) > pixels_of(without.png)).any(axis=2)
        middle = cut.on_picture(np.array([[places[axis] for axis in cut.axes]]))[0]
        lines, columns = np.nonzero(lit)
        assert len(lines) > 0
        assert np.abs(columns / PIXELS_PER_MM - middle[0]).max() <= 0.8
        assert np.abs(lines / PIXELS_PER_MM - middle[1]).max() <= 1.6


def test_pictures_that_run_from_head_to_feet_are_tall() -> None:
    """They get more room on the page."""
    pictures = draw_pictures(true_scene(SMALL_SCAN))

    assert {p.title.split(",")[0]: p.is_tall for p in pictures} == {
        "Axial": False,
        "Coronal": True,
        "Sagittal": True,
    }
