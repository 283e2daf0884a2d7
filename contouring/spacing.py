"""Whether the slices of a stack are all there, and how far they lie apart.

Spacing comes from the slices' positions alone; SliceThickness, SpacingBetweenSlices and
SliceLocation are never asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contouring.grid import Grid
from contouring.input_policies import refusal, warning
from contouring.notices import Notice
from contouring.slice_headers import SliceHeader, name_place

JITTER_MM = 0.01  # of a position, as scanners write it
LIKE_TOLERANCE = 0.01  # of a gap, when two are taken for equal
WHOLE_STEPS_TOLERANCE = 0.05  # of a step, when a gap is taken for lost slices
LASTING_GAPS = 3  # so many equal gaps in a row are the scan's own spacing, no loss
WIDE_STEPS = 1.5  # below it no slice fits into the gap
TILT_PIXELS = 0.1
TILT_TOLERANCE = 1e-4  # mm per mm: what rounded direction cosines add up to
SLICE_GAP_WARNED_MM = 5.0  # planning scans are taken at 1 to 5 mm
SLICE_GAP_REFUSED_MM = 10.0
PIXEL_WARNED_MM = 3.0
PIXEL_RANGE_MM = (0.05, 10.0)  # a unit mistaken, or no scan of a person
MOST_WIDTH_MM = 1500.0
MOST_LENGTH_MM = 2500.0


@dataclass(frozen=True)
class _Run:
    """Equal gaps in a row: from slice `start` to slice `stop`."""

    start: int
    stop: int
    gap_mm: float

    @property
    def is_lasting(self) -> bool:
        return self.stop - self.start >= LASTING_GAPS


def check_spacing(headers: Sequence[SliceHeader], grid: Grid) -> list[Notice]:
    """Refuses shear, lost slices and impossible sizes; warns of uneven, wide or coarse spacing."""
    _check_extent(grid)
    _check_tilt(headers, grid)
    gaps = np.diff(grid.axes_mm[0])
    _check_lost(gaps, headers, grid)
    if gaps.max() > SLICE_GAP_REFUSED_MM:
        raise refusal(
            "slices-too-far-apart",
            f"Slices are up to {gaps.max():.2f} mm apart; {SLICE_GAP_REFUSED_MM:g} mm are taken.",
        )
    notices = []
    step = float(np.median(gaps))
    if np.ptp(gaps) > max(LIKE_TOLERANCE * step, 4 * JITTER_MM):
        text = f"Slices are {gaps.min():.2f} to {gaps.max():.2f} mm apart; each keeps its place."
        notices.append(warning("uneven-spacing", text))
    if gaps.max() > SLICE_GAP_WARNED_MM + 4 * JITTER_MM:
        text = f"Slices are up to {gaps.max():.2f} mm apart: small structures may fall between."
        notices.append(warning("wide-spacing", text))
    if max(grid.pixel_spacing_mm) > PIXEL_WARNED_MM:
        text = f"Pixels are {max(grid.pixel_spacing_mm):.2f} mm wide: borders are uncertain."
        notices.append(warning("coarse-pixels", text))
    return notices


def _check_extent(grid: Grid) -> None:
    smallest, largest = PIXEL_RANGE_MM
    if min(grid.pixel_spacing_mm) < smallest or max(grid.pixel_spacing_mm) > largest:
        raise refusal(
            "pixel-spacing",
            f"The PixelSpacing is {grid.pixel_spacing_mm[0]:g} by {grid.pixel_spacing_mm[1]:g} "
            f"mm; {smallest:g} to {largest:g} mm are taken.",
        )
    length, height, width = (float(axis[-1]) for axis in grid.axes_mm)
    if length > MOST_LENGTH_MM or max(height, width) > MOST_WIDTH_MM:
        raise refusal(
            "implausible-extent",
            f"The scan would be {width:.0f} x {height:.0f} x {length:.0f} mm, larger than a "
            "person: its spacing or its positions are wrong.",
        )


def _check_tilt(headers: Sequence[SliceHeader], grid: Grid) -> None:
    """Slices must be stacked along their normal; a tilted gantry shifts them in the plane."""
    offsets = grid.positions_mm - grid.positions_mm[0]
    heights = offsets @ grid.normal
    shifts_mm = np.linalg.norm(offsets - heights[:, None] * grid.normal, axis=1)
    excess = shifts_mm - TILT_TOLERANCE * np.abs(heights)
    worst = int(excess.argmax())
    if excess[worst] > TILT_PIXELS * min(grid.pixel_spacing_mm):
        degrees = np.degrees(np.arctan2(shifts_mm[worst], abs(heights[worst])))
        raise refusal(
            "gantry-tilt",
            f"{headers[worst].name} is shifted {shifts_mm[worst]:.1f} mm within its plane against "
            f"{headers[0].name} (gantry tilt, {degrees:.1f} degrees between them): resample the "
            "scan without tilt first.",
        )


def _check_lost(gaps: NDArray[np.float64], headers: Sequence[SliceHeader], grid: Grid) -> None:
    """Refuses a gap that stands alone and into which a slice would fit.

    A whole number of steps is slices lost; anything else is a scan interrupted. Either way there
    is tissue between that no slice shows, where a contour would be a guess.
    """
    runs = _runs(gaps)
    for number, run in enumerate(runs):
        beside = [other.gap_mm for other in runs[max(number - 1, 0) : number + 2]]
        around = np.sort([*gaps[: run.start][-LASTING_GAPS:], *gaps[run.stop :][:LASTING_GAPS]])
        if run.is_lasting or not len(around) or run.gap_mm < max(beside):
            continue
        step = float(around[(len(around) - 1) // 2])  # the lower median: gaps here may be lost too
        steps = run.gap_mm / step
        if steps <= WIDE_STEPS + WHOLE_STEPS_TOLERANCE:
            continue
        first = run.start
        low, high = (name_place(grid.positions_mm[k], grid.normal) for k in (first, first + 1))
        where = f"between {low} and {high.split('= ')[-1]} mm"
        files = f"({headers[first].name}, {headers[first + 1].name})"
        rounding = 2 * JITTER_MM * (1 + steps) / step
        if abs(steps - round(steps)) > WHOLE_STEPS_TOLERANCE + rounding:
            raise refusal(
                "odd-gap",
                f"Nothing lies {where} {files}, {run.gap_mm:.2f} mm, where slices are {step:.2f} "
                "mm apart: slices are missing, or two scans were joined. Export the whole series "
                "again, or each scan as a series of its own.",
            )
        count = "A slice is" if round(steps) == 2 else f"{round(steps) - 1} slices are"
        raise refusal(
            "missing-slice",
            f"{count} missing {where} {files}: export the whole series again.",
        )


def _runs(gaps: NDArray[np.float64]) -> list[_Run]:
    starts = [0]
    for index in range(1, len(gaps)):
        first = gaps[starts[-1]]
        if abs(gaps[index] - first) > max(LIKE_TOLERANCE * first, 4 * JITTER_MM):
            starts.append(index)
    stops = [*starts[1:], len(gaps)]
    return [_Run(a, b, float(gaps[a])) for a, b in zip(starts, stops, strict=True)]
