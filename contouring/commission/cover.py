"""The first pages: what was tested with what, the verdict, and one line for each file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contouring.commission import limits
from contouring.commission.figures import mean_millimetres, off_poles, outcome, percent
from contouring.commission.machine import Machine
from contouring.commission.markup import Markup, element, facts, items, paragraphs, table
from contouring.commission.measurements import FileResult, Measurement
from contouring.commission.positions import PositionResult
from contouring.phantom import Phantom
from contouring.phantom_deviation import Deviation
from contouring.phantom_scan import PATIENT_POSITIONS
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.template import Template


@dataclass(frozen=True)
class Heading:
    """What was tested, with what and when; `all_templates`: the names of a whole run's."""

    cascade: Cascade
    templates: tuple[Template, ...]
    stamp: Stamp
    machine: Machine
    phantom: Phantom
    all_templates: tuple[str, ...] = ()


def cover_page(heading: Heading, positions: Sequence[PositionResult], report_id: str) -> Markup:
    """Title, verdict and everything that identifies the test."""
    cascade, machine = heading.cascade, heading.machine
    passed = all(position.passed for position in positions)
    failed = sum(not file.passed for position in positions for file in position.files)
    count = sum(len(position.files) for position in positions)
    words = (
        f"PASS: {count} of {count} structure sets keep to every limit, in "
        f"{len(positions)} of 8 patient positions."
        if passed
        else f"FAIL: {failed} of {count} structure sets do not keep to the limits."
    )
    return element(
        "section",
        element("h1", "Oarlock commissioning report"),
        paragraphs(
            "A phantom whose contours are known in closed form was written as CT series in "
            f"{len(positions)} patient position{'s' * (len(positions) != 1)}, contoured by this "
            "installation, and the structure sets were read back from disk and measured against "
            "the true contours."
        ),
        element("div", words, class_=f"verdict {'passed' if passed else 'failed'}"),
        _left_out(heading, positions),
        facts(
            [
                ("Report", report_id),
                ("Date", f"{heading.stamp.made_at:%Y-%m-%d %H:%M %Z}"),
                ("Oarlock", heading.stamp.software_version),
                ("Model", f"{cascade.name} {cascade.version}"),
                ("Model's checksum", f"sha256 {cascade.checksum}"),
                ("Runtime", cascade.runtime),
                ("Machine", f"{machine.name} ({machine.processor}), {machine.system}"),
                ("Software", machine.software),
                *((f"Template {one.name}", _checksum(one)) for one in heading.templates),
                ("Phantom", ", ".join(found.name for found in heading.phantom.structures)),
                ("Scan", _scan(positions)),
            ]
        ),
        element("h3", "In this report"),
        items(
            [
                "Summary: one line for each position and template.",
                "Method and limits.",
                "Import into a planning system: what to do and what to compare.",
                "For each position: measurements, pictures, and a form to fill in.",
                "What this test does not prove, and the place to sign.",
            ],
            "ol",
        ),
    )


def _left_out(heading: Heading, positions: Sequence[PositionResult]) -> Markup:
    """What a partial run does not speak of, so that nobody signs for it."""
    run = {position.position for position in positions}
    templates = {template.name for template in heading.templates}
    missing = {
        "patient positions": [one for one in PATIENT_POSITIONS if one not in run],
        "templates": [one for one in heading.all_templates if one not in templates],
    }
    told = [f"{what}: {', '.join(names)}" for what, names in missing.items() if names]
    if not told:
        return Markup()
    return element("div", f"A partial run. Not tested were {'; '.join(told)}.", class_="breach")


def _checksum(template: Template) -> str:
    return f"sha256 {template.checksum}" if template.checksum else "built in"


def _scan(positions: Sequence[PositionResult]) -> str:
    scan = positions[0].scan
    slices, rows, columns = scan.shape_zyx
    step = (scan.slice_offsets_mm[-1] - scan.slice_offsets_mm[0]) / max(slices - 1, 1)
    return (
        f"{columns} x {rows} pixels of {scan.column_spacing_mm:.4f} x {scan.row_spacing_mm:.4f} mm,"
        f" {slices} slices {step:.2f} mm apart"
    )


def summary_page(positions: Sequence[PositionResult]) -> Markup:
    """A line for each file with what comes nearest to its limit."""
    rows = [_line(position, file) for position in positions for file in position.files]
    head = (
        "Position",
        "Template",
        "Structures",
        "Largest mean distance (mm)",
        "Largest distance off poles (mm)",
        "Volume nearest to its limit (%)",
        "Slices missed / extra",
        "Result",
    )
    return element("section", element("h2", "Summary"), table(head, rows, "numbers summary"))


def _line(position: PositionResult, file: FileResult) -> list[str]:
    measured = [(one, one.found) for one in file.measurements if one.found is not None]
    start = [position.position, file.template.name]
    result = outcome(file.passed)
    if not measured:
        return [*start, f"0 of {len(file.measurements)}", *"––––", result]
    mean, mean_of = _worst(measured, lambda _, found: found.mean_mm)
    far, far_of = _worst(measured, lambda _, found: found.largest_off_poles_mm)
    odd, odd_of = _worst(
        measured, lambda one, found: abs(found.volume_error) / one.limits.volume_error
    )
    missed = sum(len(found.missed_slices) for _, found in measured)
    extra = sum(len(found.extra_slices) for _, found in measured)
    return [
        *start,
        f"{sum(one.passed for one in file.measurements)} of {len(file.measurements)}",
        f"{mean_millimetres(mean.mean_mm)} ({mean_of})",
        f"{off_poles(far)} ({far_of})",
        f"{percent(odd.volume_error)} ({odd_of})",
        f"{missed} / {extra}",
        result,
    ]


def _worst(
    measured: Sequence[tuple[Measurement, Deviation]],
    badness: Callable[[Measurement, Deviation], float],
) -> tuple[Deviation, str]:
    one, found = max(measured, key=lambda pair: badness(*pair))
    return found, one.wanted.source


def method_page() -> Markup:
    """How it was measured, and the limits with their reasons."""
    rows = [
        (
            "Mean distance",
            f"{limits.MEAN_MM} mm",
            "The phantom's voxels are whole Hounsfield units and lines have corners: about 0.02 "
            "mm. A shift by a tenth of a millimetre is already above the limit.",
        ),
        (
            "Largest distance off poles",
            f"{limits.LARGEST_OFF_POLES_MM} mm",
            "Half a pixel of a planning CT, the size of the best-known fault. Near a pole the "
            "border runs along the slice, and a distance in the slice says little: it is shown, "
            "but has no limit.",
        ),
        (
            "Volume",
            f"{limits.VOLUME_ERROR:.1%}; {limits.THIN_VOLUME_ERROR:.0%} for tubes and walls up to "
            f"{limits.THIN_MM:.0f} mm; {limits.SMALL_VOLUME_ERROR:.0%} under "
            f"{limits.SMALL_CM3:.0f} cm³; {limits.TINY_VOLUME_ERROR:.0%} under "
            f"{limits.TINY_CM3} cm³",
            "Against true areas times slice distance. The same error of the border weighs more "
            "the smaller or thinner a structure is.",
        ),
        ("Slices missed or extra", "none", "Every slice that cuts a structure has its contour."),
        ("Place of a contour", "0.001 mm", "On the plane of the slice that it refers to."),
        ("Name and colour", "equal", "As template and model ask for."),
    ]
    return element(
        "section",
        element("h2", "Method and limits"),
        paragraphs(
            "The phantom's solids have a surface in closed form, fixed in the patient; a patient "
            "position changes only where rows, columns and slices run. Their true contours on each "
            "slice are computed from the formulas alone, without voxels, network or the code that "
            "draws contours.",
            "The model used here reads a structure's signed distance from the voxels of the "
            "phantom. It cannot err as a trained network does, so what a contour differs from the "
            "truth is due to the geometry of this installation: reading, resampling, tracing, "
            "writing.",
            "Each structure set was read back from its file. Distances are taken in the plane of a "
            "slice, at points 0.25 mm apart along the written contour to the true one and the "
            "other way round. Bridges to holes count as no border.",
        ),
        element("h3", "Limits"),
        table(("What", "Limit", "Reason"), rows),
    )
