"""Small phantoms; lengths are patient millimetres (LPS).

The large one is `contouring.phantom.HEAD_AND_NECK`, and what contours differ from the truth is
measured by `contouring.phantom_deviation`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contouring.phantom import HEAD_AND_NECK, Body, Phantom
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader, write_phantom
from contouring.phantom_shapes import Shape, Sphere

# 64 x 64 mm by 50 mm. The ball lies off the planes and off the middle.
SMALL_SCAN = Scan(
    rows=64,
    columns=64,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(20, 2.5),
)
SMALL_BALL = Sphere((3.3, -2.1, 0.7), 12.0)


def one_structure_phantom(shape: Shape = SMALL_BALL, name: str = "Sphere30") -> Phantom:
    """A phantom of one solid, encoded so that `commissioning` finds it as the structure `name`."""
    structure = replace(HEAD_AND_NECK.structure(name), shape=shape)
    return Phantom(body=Body(((0.0, 29.0, 27.0),)), structures=(structure,))


def write_small_series(
    folder: Path,
    scan: Scan = SMALL_SCAN,
    shape: Shape = SMALL_BALL,
    header: SeriesHeader | None = None,
) -> list[Path]:
    """CT slices of a phantom of one solid, in ascending order along the slice normal."""
    return write_phantom(folder, phantom=one_structure_phantom(shape), scan=scan, header=header)
