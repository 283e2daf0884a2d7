"""Fields of derived structures: set operations, margins, rings and the body, on the CT's voxels.

Unions, intersections and differences are the largest and the smallest of the fields themselves, so
that a border taken over from a structure stays where it was. Margins work on the signed distance to
the zero surface, which is exact between voxels too; they are measured in the patient, whatever the
patient position. See docs/derived.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from contouring.body_outline import find_body
from contouring.derivations import (
    Contraction,
    DerivedStructure,
    Difference,
    Expansion,
    Intersection,
    Margins,
    Ring,
    Union,
)
from contouring.directed_margins import largest_within, patches_of
from contouring.distances import (
    Axes,
    find_surface,
    fine_axes,
    signed_distances,
    smooth_near_zero,
)
from contouring.errors import DerivationError
from contouring.field_samples import sample_planes
from contouring.grid import Grid
from contouring.masks import StructureField
from contouring.structures import Structure
from contouring.volume import CTVolume
from contouring.voxel_boxes import VoxelBox, box_around, field_in_box

Values = NDArray[np.float32]
REACH_SAMPLES = 2.0  # of exact values on either side of a border, for cubic interpolation


def derive(
    wanted: DerivedStructure, known: Mapping[str, StructureField], ct: CTVolume
) -> StructureField:
    """The field of a derived structure.

    `known`: the structures that were found and those derived before it, by name. Raises
    `DerivationError` if a source is not among them, or if nothing is left of it.
    """
    name = wanted.structure.name
    for source in wanted.sources:
        if source not in known:
            raise DerivationError(
                name,
                f"{source}, of which it is made, was not found in this scan, or is no structure of "
                "the model nor derived before it.",
            )
    field = _derived(wanted, known, ct)
    if field is None or not (field.field > 0).any():
        made_of = ", ".join(wanted.sources) or "the scan"
        raise DerivationError(name, f"nothing is left of it; it was made of {made_of}.")
    return field


def _derived(
    wanted: DerivedStructure, known: Mapping[str, StructureField], ct: CTVolume
) -> StructureField | None:
    sources = [known[name] for name in wanted.sources]
    structure, derivation, grid = wanted.structure, wanted.derivation, ct.grid
    match derivation:
        case Union():
            return _combined(structure, sources, grid, np.maximum)
        case Intersection():
            return _combined(structure, sources, grid, np.minimum)
        case Difference():
            return _combined(structure, sources, grid, lambda of, other: np.minimum(of, -other))
        case Expansion(margins=margins):
            return _grown(structure, sources[0], grid, margins)
        case Contraction(margins=margins):
            return _shrunk(structure, sources[0], grid, margins)
        case Ring(inner_mm=inner_mm, outer_mm=outer_mm):
            return _ring(structure, sources[0], grid, inner_mm, outer_mm)
    return find_body(structure, ct, derivation.threshold_hu)


def _combined(
    structure: Structure,
    sources: Sequence[StructureField],
    grid: Grid,
    combine: Callable[[Values, Values], Values],
) -> StructureField:
    box = reduce(VoxelBox.joined, [box_around(source, grid, 0.0) for source in sources])
    values = reduce(combine, (field_in_box(source, grid, box) for source in sources))
    return box.field_of(structure, values, grid)


def _grown(
    structure: Structure, source: StructureField, grid: Grid, margins: Margins
) -> StructureField:
    sides_mm = astuple(margins)
    box = box_around(source, grid, max(sides_mm))
    if min(sides_mm) == max(sides_mm):
        values = _distances(source, grid, box, [-max(sides_mm)]) + np.float32(max(sides_mm))
    else:
        values = _grown_towards(source, grid, box, margins, sign=1)
    return box.field_of(structure, values, grid)


def _shrunk(
    structure: Structure, source: StructureField, grid: Grid, margins: Margins
) -> StructureField:
    """What the outside, grown the other way, leaves."""
    sides_mm = astuple(margins)
    box = box_around(source, grid, 0.0)
    if min(sides_mm) == max(sides_mm):
        values = _distances(source, grid, box, [max(sides_mm)]) - np.float32(max(sides_mm))
    else:
        turned = Margins(
            right=margins.left,
            left=margins.right,
            anterior=margins.posterior,
            posterior=margins.anterior,
            inferior=margins.superior,
            superior=margins.inferior,
        )
        values = -_grown_towards(source, grid, box, turned, sign=-1)
    return box.field_of(structure, values, grid)


def _ring(
    structure: Structure, source: StructureField, grid: Grid, inner_mm: float, outer_mm: float
) -> StructureField:
    box = box_around(source, grid, outer_mm)
    levels = [-level for level in (inner_mm, outer_mm) if level > 0]
    signed = _distances(source, grid, box, levels)
    hollow = signed + np.float32(inner_mm) if inner_mm > 0 else field_in_box(source, grid, box)
    return box.field_of(structure, np.minimum(signed + np.float32(outer_mm), -hollow), grid)


def _distances(
    source: StructureField, grid: Grid, box: VoxelBox, levels_mm: Sequence[float]
) -> Values:
    """Signed distances in a box of voxels, exact about the levels."""
    smallest_mm = min(abs(level) for level in levels_mm)
    surface = find_surface(source, grid, smallest_mm)
    axes_mm = box.axes_mm(grid)
    inside = field_in_box(source, grid, box) > 0
    reach_mm = REACH_SAMPLES * _largest_step(axes_mm)
    signed = signed_distances(surface, inside, axes_mm, levels_mm, reach_mm)
    farthest_mm = max(abs(level) for level in levels_mm) + reach_mm
    return np.clip(signed, -farthest_mm, farthest_mm)


def _largest_step(axes_mm: Axes) -> float:
    return max(float(np.diff(axis).max(initial=0.0)) for axis in axes_mm)


def _grown_towards(
    source: StructureField, grid: Grid, box: VoxelBox, margins: Margins, sign: int
) -> Values:
    """The field of a structure (`sign` 1) or of its outside (-1), grown by unlike margins."""
    widest_mm = max(astuple(margins))
    smallest_mm = min(side for side in astuple(margins) if side > 0)
    fine_mm = fine_axes(source, grid, smallest_mm)
    fine = np.stack(list(sample_planes(source, fine_mm)))
    surface = find_surface(source, grid, smallest_mm)
    signed = signed_distances(surface, fine > 0, fine_mm, [0.0], widest_mm)
    signed = np.float32(sign) * smooth_near_zero(signed, fine, fine_mm)

    axes_mm = box.axes_mm(grid)
    reach_mm = REACH_SAMPLES * _largest_step(axes_mm)
    inside = field_in_box(source, grid, box) > 0
    values = np.float32(sign) * signed_distances(
        surface, inside, axes_mm, [0.0, -sign * widest_mm], reach_mm
    )
    open_ = (values > -(widest_mm + reach_mm)) & (values < reach_mm)
    samples = np.nonzero(open_)
    places = np.stack([a[s] for a, s in zip(axes_mm, samples, strict=True)], axis=-1)
    values[samples] = largest_within(signed, fine_mm, places, patches_of(margins, grid), reach_mm)
    return np.asarray(values.clip(-reach_mm, reach_mm), np.float32)
