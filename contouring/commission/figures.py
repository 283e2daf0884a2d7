"""Numbers as people read them in the report."""

from __future__ import annotations

import math

from contouring.commission.markup import Markup, element
from contouring.phantom_deviation import Deviation
from contouring.phantom_shapes import Vector

NOTHING = "–"
MIDDLE_MM = 8.0  # nearer to the middle than this a centre is on neither side


def millimetres(value: float) -> str:
    """To a hundredth."""
    return f"{value:.2f}" if math.isfinite(value) else NOTHING


def mean_millimetres(value: float) -> str:
    """To a thousandth: means are small."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def off_poles(found: Deviation) -> str:
    """The largest distance off poles, or that every slice is near one."""
    return millimetres(found.largest_off_poles_mm) if found.slices_off_poles else NOTHING


def percent(fraction: float) -> str:
    """With its sign, to a hundredth."""
    return f"{round(100 * fraction, 2) + 0.0:+.2f}"  # no negative zero


def volume(value_cm3: float) -> str:
    """Three digits at least."""
    return f"{value_cm3:.2f}" if value_cm3 >= 1.0 else f"{value_cm3:.3f}"


def place(point_mm: Vector) -> tuple[str, str, str]:
    """x, y and z to a tenth."""
    x, y, z = (f"{value:+.1f}" for value in point_mm)
    return x, y, z


def side(point_mm: Vector) -> str:
    """The patient's side on which a point lies."""
    if abs(point_mm[0]) < MIDDLE_MM:
        return "middle"
    return "left" if point_mm[0] > 0.0 else "right"


def outcome(passed: bool) -> Markup:
    """PASS or FAIL."""
    word, class_ = ("PASS", "passed") if passed else ("FAIL", "failed")
    return element("span", word, class_=class_)


def chip(colour_rgb: tuple[int, ...]) -> Markup:
    """A small square of the colour."""
    return element("span", class_="chip", style=f"background: rgb{tuple(colour_rgb)}")
