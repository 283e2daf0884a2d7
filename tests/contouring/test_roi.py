"""The region of interest: a box in millimetres around what the localizer saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contouring.grid import Grid
from contouring.lattice import BoxMm, build_lattice
from contouring.phantom_scan import Scan, even_offsets
from contouring.recipe import Localizer, MaskRule, RoiRule
from contouring.roi import find_region
from contouring.volume import CTVolume
from tests.contouring.grids import (
    SCANS,
    UNEVEN_SCAN,
    FloatArray,
    name_of,
    volume_of,
    voxels_mm,
)
from tests.contouring.predictors import FunctionPredictor, native, thresholds

WIDE = replace(UNEVEN_SCAN, rows=60, columns=64, slice_offsets_mm=even_offsets(30, 2.5))


def localizer(rule: RoiRule | MaskRule) -> Localizer:
    """Everything above 500 HU, seen at 2 x 3 x 3 mm."""
    stage = replace(native((96, 96, 96)), spacing_zyx_mm=(2.0, 3.0, 3.0))
    return Localizer(stage, rule, thresholds(500.0))


def find_box(ct: CTVolume, coarse: Localizer) -> BoxMm | None:
    """The region's box alone."""
    region = find_region(ct, coarse, lambda _: None)
    return None if region is None else region.box


def corners_mm(grid: Grid, box: BoxMm) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest patient coordinates of a box."""
    ends = np.array([box.low, box.high])
    corners = [
        grid.positions_mm[0] + np.diag(ends[list(pick)]) @ grid.axis_directions
        for pick in np.ndindex(2, 2, 2)
    ]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def balls(*balls_mm: tuple[tuple[float, float, float], float]) -> object:
    """Bright balls (offset from the scan's centre, radius) in soft tissue."""

    def hu_at(points: FloatArray) -> FloatArray:
        inside = np.zeros(points.shape[:-1], bool)
        for offset, radius in balls_mm:
            centre = np.array(UNEVEN_SCAN.centre_mm) + offset
            inside |= np.linalg.norm(points - centre, axis=-1) < radius
        return np.where(inside, 1000.0, 0.0)

    return hu_at


@pytest.mark.parametrize("scan", [replace(WIDE, position=s.position) for s in SCANS], ids=name_of)
def test_the_box_holds_the_find_and_its_margin_per_patient_axis(scan: Scan) -> None:
    """Margins are given along z, y and x of the patient, not of the image."""
    ct = volume_of(scan, balls(((4.0, -5.0, 6.0), 9.0)))  # type: ignore[arg-type]

    box = find_box(ct, localizer(RoiRule((7.0, 5.0, 3.0), 0.0)))

    assert box is not None
    low, high = corners_mm(ct.grid, box)
    centre = np.add(scan.centre_mm, (4.0, -5.0, 6.0))
    wanted = 9.0 + np.array([3.0, 5.0, 7.0])
    assert centre - low == pytest.approx(wanted, abs=3.2)  # one step of the coarse lattice
    assert high - centre == pytest.approx(wanted, abs=3.2)


def test_small_components_do_not_widen_the_box() -> None:
    """A bright crumb in the couch is no patient."""
    ct = volume_of(WIDE, balls(((-10.0, 8.0, -8.0), 9.0), ((22.0, -26.0, 24.0), 4.0)))  # type: ignore[arg-type]

    box = find_box(ct, localizer(RoiRule((0.0, 0.0, 0.0), 1.0)))

    assert box is not None
    low, high = corners_mm(ct.grid, box)
    assert high - np.array(WIDE.centre_mm) == pytest.approx([-1.0, 17.0, 1.0], abs=3.2)
    assert low - np.array(WIDE.centre_mm) == pytest.approx([-19.0, -1.0, -17.0], abs=3.2)


def test_every_component_that_is_large_enough_counts() -> None:
    """A patient whose arms lie apart is still one patient."""
    ct = volume_of(WIDE, balls(((-20.0, 8.0, -8.0), 9.0), ((22.0, -20.0, 20.0), 9.0)))  # type: ignore[arg-type]

    box = find_box(ct, localizer(RoiRule((0.0, 0.0, 0.0), 1.0)))

    assert box is not None
    low, high = corners_mm(ct.grid, box)
    assert high - low == pytest.approx([60.0, 46.0, 46.0], abs=6.4)


def test_the_box_stays_within_the_scan() -> None:
    """There is nothing to see beyond."""
    ct = volume_of(WIDE, balls(((0.0, 0.0, 0.0), 20.0)))  # type: ignore[arg-type]

    box = find_box(ct, localizer(RoiRule((500.0, 500.0, 500.0), 0.0)))

    assert box is not None
    assert box.low == (0.0, 0.0, 0.0)
    assert box.high == pytest.approx(tuple(axis[-1] for axis in ct.grid.axes_mm))


@pytest.mark.parametrize(
    "rule", [RoiRule((9, 9, 9), 0.0), RoiRule((9, 9, 9), 50.0), MaskRule(9.0, 50.0)]
)
def test_nothing_found_is_none(rule: RoiRule | MaskRule) -> None:
    """The whole scan instead would be contoured as if it showed the organs."""
    shapes = balls(((0.0, 0.0, 0.0), 9.0)) if rule.minimum_component_cm3 else balls()
    ct = volume_of(WIDE, shapes)  # type: ignore[arg-type]

    box = find_box(ct, localizer(rule))

    assert box is None


def test_beyond_the_body_s_reach_nothing_counts() -> None:
    """A network that learned within the patient says anything of the couch below."""
    ct = volume_of(WIDE, balls(((0.0, 0.0, 0.0), 12.0), ((0.0, 30.0, 0.0), 12.0)))  # type: ignore[arg-type]
    hu = ct.hu.copy()
    hu[:, 38:42] = -1000  # a gap of air: what lies behind it is no longer the patient
    coarse = replace(localizer(RoiRule((0.0, 0.0, 0.0), 0.0)), body_reach_mm=0.0)
    last_row_mm = 38 * 1.7

    everywhere = find_box(replace(ct, hu=hu), replace(coarse, body_reach_mm=None))
    within = find_box(replace(ct, hu=hu), coarse)

    assert everywhere is not None
    assert within is not None
    assert everywhere.high[1] > last_row_mm + 5.0
    assert within.high[1] < last_row_mm


@pytest.mark.parametrize("scan", [replace(WIDE, position=s.position) for s in SCANS], ids=name_of)
def test_a_mask_is_what_was_found_and_all_within_its_reach(scan: Scan) -> None:
    """In millimetres of the patient, to within a step of the coarse lattice."""
    ct = volume_of(scan, balls(((4.0, -5.0, 6.0), 9.0)))  # type: ignore[arg-type]
    fine = build_lattice(ct.grid)

    region = find_region(ct, localizer(MaskRule(6.0, 0.0)), lambda _: None)

    assert region is not None
    found = fine.to_ct_axes(region.on(fine))
    offsets = voxels_mm(scan) - np.add(scan.centre_mm, (4.0, -5.0, 6.0))
    distance_mm = np.linalg.norm(offsets, axis=-1)
    assert found[distance_mm < 9.0 + 6.0 - 4.0].all()
    assert not found[distance_mm > 9.0 + 6.0 + 4.0].any()
    assert region.share == pytest.approx(float(found.mean()), rel=0.1)


@pytest.mark.parametrize("position", ["HFS", "FFDL"])
def test_a_box_says_which_voxels_it_holds_and_how_many(position: str) -> None:
    """Coverage is judged by it."""
    ct = volume_of(replace(WIDE, position=position), balls(((4.0, -5.0, 6.0), 9.0)))  # type: ignore[arg-type]
    fine = build_lattice(ct.grid)

    region = find_region(ct, localizer(RoiRule((7.0, 5.0, 3.0), 0.0)), lambda _: None)

    assert region is not None
    assert region.candidates is None
    found = fine.to_ct_axes(region.on(fine))
    assert region.share == pytest.approx(float(found.mean()))
    for axis, (low, high) in enumerate(zip(region.box.low, region.box.high, strict=True)):
        others = tuple({0, 1, 2} - {axis})
        inside = ct.grid.axes_mm[axis][found.any(axis=others)]
        assert low <= inside.min() <= inside.max() <= high


def test_whatever_is_not_background_is_the_region() -> None:
    """A coarse network that names organs marks them all."""
    shapes = balls(((-20.0, 8.0, -8.0), 9.0), ((22.0, -20.0, 20.0), 9.0))
    ct = volume_of(WIDE, shapes)  # type: ignore[arg-type]
    either = FunctionPredictor(
        lambda seen: np.stack(
            [
                np.zeros_like(seen),
                np.where(np.arange(seen.shape[2]) < 12, seen - 500, -900).astype(np.float32),
                np.where(np.arange(seen.shape[2]) >= 12, seen - 500, -900).astype(np.float32),
            ]
        )
    )
    organs = replace(localizer(RoiRule((0.0, 0.0, 0.0), 1.0)), predictor=either)

    box = find_box(ct, organs)

    assert box == find_box(ct, localizer(RoiRule((0.0, 0.0, 0.0), 1.0)))


@pytest.mark.parametrize("position", ["HFS", "FFP", "HFDR"])
def test_the_body_s_box_holds_the_same_find_in_fewer_voxels(position: str) -> None:
    """Most of a wide field of view is air."""

    def hu_at(points: FloatArray) -> FloatArray:
        away = np.linalg.norm(points - np.array(UNEVEN_SCAN.centre_mm), axis=-1)
        return np.where(away < 9.0, 1000.0, np.where(away < 28.0, 0.0, -1000.0))

    scan = replace(WIDE, position=position, rows=120, columns=128)
    ct = volume_of(scan, hu_at)
    stage = replace(native((8, 8, 8)), spacing_zyx_mm=(2.0, 3.0, 3.0))
    whole = Localizer(stage, RoiRule((7.0, 5.0, 3.0), 0.0), shown := thresholds(500.0))
    cropped = replace(whole, predictor=(shown_of_box := thresholds(500.0)), crops_to_body=True)

    box, box_of_box = find_box(ct, whole), find_box(ct, cropped)

    assert box is not None
    assert box_of_box is not None
    assert box_of_box.low == pytest.approx(box.low, abs=3.2)  # one step of the coarse lattice
    assert box_of_box.high == pytest.approx(box.high, abs=3.2)
    assert len(shown_of_box.windows) < len(shown.windows) / 2
