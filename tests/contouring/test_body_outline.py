"""The patient's outer border, on scans whose body is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from contouring.body_outline import find_body
from contouring.derivations import BODY_HU, BodyOutline, DerivedStructure
from contouring.derived_fields import derive
from contouring.masks import StructureField
from contouring.outlines import TracedStructure, trace_outlines
from contouring.phantom_scan import Scan, even_offsets
from contouring.structures import Structure
from contouring.volume import CTVolume
from tests.contouring.grids import FloatArray, grid_of, voxels_mm

EXTERNAL = Structure(0, "External", (0, 255, 0), interpreted_type="EXTERNAL")
SCAN = Scan(
    rows=110,
    columns=130,
    row_spacing_mm=2.0,
    column_spacing_mm=2.2,
    slice_offsets_mm=even_offsets(12, 3.0),
)
HALF_WIDTH_MM, HALF_DEPTH_MM = 90.0, 70.0


def blurred(inside_mm: FloatArray) -> FloatArray:
    """HU of water in air, with the scanner's blur: -250 HU lie a fixed way inside the middle."""
    return np.asarray(-1000.0 + 1000.0 / (1.0 + np.exp(-inside_mm / 1.0)))


def torso(scan: Scan = SCAN) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """HU of an elliptic cylinder, and x, y and z of every voxel."""
    x, y, z = np.moveaxis(voxels_mm(scan), -1, 0)
    scaled = np.hypot(x / HALF_WIDTH_MM, y / HALF_DEPTH_MM)
    slope = np.hypot(x / HALF_WIDTH_MM**2, y / HALF_DEPTH_MM**2) / np.maximum(scaled, 1e-9)
    return blurred((1.0 - scaled) / np.maximum(slope, 1e-9)), x, y, z


# 0.75 = 1 / (1 + exp(-t)): where the blurred border crosses -250 HU.
AT_THRESHOLD_MM = float(np.log(3.0))
TRUE_MM2 = np.pi * (HALF_WIDTH_MM - AT_THRESHOLD_MM) * (HALF_DEPTH_MM - AT_THRESHOLD_MM)


def traced(hu: FloatArray, scan: Scan = SCAN) -> TracedStructure:
    """The body's outlines in a scan."""
    field = body_of(hu, scan)
    assert field is not None
    return trace_outlines(field, grid_of(scan))


def body_of(hu: FloatArray, scan: Scan = SCAN) -> StructureField | None:
    """The body in a scan."""
    return find_body(EXTERNAL, CTVolume(grid_of(scan), np.rint(hu).astype(np.int16)), BODY_HU)


def areas_mm2(body: TracedStructure) -> list[float]:
    """Area on each slice."""
    total = np.zeros(12)
    for outline in body.outlines:
        total[outline.slice_index] += outline.polygon.area
    return [float(area) for area in total]


@pytest.mark.parametrize("position", ["HFS", "FFP", "HFDL"])
def test_the_border_is_where_the_ct_crosses_the_threshold(position: str) -> None:
    """Between voxels of 2 mm, to 0.15 mm, on every slice and in any position."""
    scan = replace(SCAN, position=position, rows=130)
    hu, *_ = torso(scan)

    body = traced(hu, scan)

    assert areas_mm2(body) == pytest.approx([TRUE_MM2] * 12, rel=0.004)
    assert not any(outline.polygon.interiors for outline in body.outlines)


def test_lungs_and_airways_belong_to_the_body() -> None:
    """Holes are filled slice by slice; a windpipe of 3 pixels as well as a lung."""
    hu, x, y, _ = torso()
    hu[np.hypot(x - 30.0, y) < 30.0] = -850.0
    hu[np.hypot(x + 20.0, y + 40.0) < 4.0] = -1000.0
    hu[np.hypot(x, y + 62.0) < 3.0] = -1000.0

    body = traced(hu)

    assert areas_mm2(body) == pytest.approx([TRUE_MM2] * 12, rel=0.004)


@pytest.mark.parametrize("gap_mm", [6.0, 0.0])
def test_the_couch_is_left_out(gap_mm: float) -> None:
    """Under the patient, and touching the back: a shell of 4 mm filled with foam."""
    hu, x, y, _ = torso()
    top_mm = HALF_DEPTH_MM + gap_mm
    in_couch = (y > top_mm) & (y < top_mm + 30.0) & (np.abs(x) < 130.0)
    in_foam = (y > top_mm + 4.0) & (y < top_mm + 26.0) & (np.abs(x) < 126.0)
    hu[in_couch] = np.where(in_foam[in_couch], -920.0, 0.0)

    body = traced(hu)

    assert areas_mm2(body) == pytest.approx([TRUE_MM2] * 12, rel=0.03)
    lowest_mm = max(float(shapely.bounds(outline.polygon)[3]) for outline in body.outlines)
    assert lowest_mm - (SCAN.rows - 1) / 2 * 2.0 < HALF_DEPTH_MM + 5.0


def test_only_the_largest_part_is_the_patient() -> None:
    """Not a phantom beside the leg, nor a drip stand."""
    hu, x, y, _ = torso()
    hu[np.hypot(x - 120.0, y - 70.0) < 16.0] = 100.0

    assert areas_mm2(traced(hu)) == pytest.approx([TRUE_MM2] * 12, rel=0.004)


def test_an_ear_is_given_back_and_a_thin_shell_is_not() -> None:
    """Both are too thin to survive the opening that frees the patient from the couch."""
    hu, x, y, z = torso()
    is_ear = (np.abs(y) < 12.0) & (x > 80.0) & (x < 103.0) & (np.abs(z) < 10.0)
    ear = is_ear & (np.abs(y) < 3.1)
    hu[ear] = 20.0
    shell = ((np.abs(y + 10.0) < 2.1) & (x < -80.0)) | ((np.abs(x + 140.0) < 2.3) & (y > -12.0))
    hu[shell] = 20.0

    outlines = traced(hu).outlines

    middle_mm = (SCAN.columns - 1) / 2 * 2.2
    reach = {o.slice_index: shapely.bounds(o.polygon) - middle_mm for o in outlines}
    assert reach[6][2] > 100.0
    assert reach[0][2] < 92.0
    assert min(float(bounds[0]) for bounds in reach.values()) > -100.0


def test_a_thin_patient_is_found_too() -> None:
    """A finger alone: everything would be opened away."""
    x, y, _ = np.moveaxis(voxels_mm(SCAN), -1, 0)
    hu = np.where((np.abs(x) < 2.5) & (np.abs(y) < 60.0), 50.0, -1000.0)

    assert len(traced(hu).outlines) == 12


def test_a_body_cut_by_the_field_of_view_reaches_the_image_s_edge() -> None:
    """It goes on beyond: opening must not round it off there."""
    hu, x, *_ = torso()
    wide = np.where(np.abs(x) > 60.0, 30.0, hu)

    outlines = traced(wide).outlines

    bounds = [shapely.bounds(outline.polygon) for outline in outlines]
    assert max(b[2] for b in bounds) == pytest.approx((SCAN.columns - 0.5) * 2.2, abs=0.2)
    assert min(b[0] for b in bounds) == pytest.approx(-1.1, abs=0.2)


def test_air_alone_has_no_body() -> None:
    """A derived structure that is missing is an error, said above."""
    assert body_of(np.full(SCAN.shape_zyx, -1000.0)) is None


def test_the_threshold_may_be_chosen() -> None:
    """By a template."""
    hu, *_ = torso()
    ct = CTVolume(grid_of(SCAN), np.rint(hu).astype(np.int16))

    body = derive(DerivedStructure(EXTERNAL, BodyOutline(-500.0)), {}, ct)

    areas = areas_mm2(trace_outlines(body, ct.grid))
    assert areas == pytest.approx([np.pi * HALF_WIDTH_MM * HALF_DEPTH_MM] * 12, rel=0.004)
