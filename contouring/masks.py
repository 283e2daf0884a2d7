"""Which parts of each field belong to a structure, usually its largest, each in a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.fields import Fields
from contouring.lattice import Lattice
from contouring.part_rules import keep_parts, volume_cm3
from contouring.structures import Structure

Box = tuple[slice, slice, slice]
# Corners join too: a thin structure that runs obliquely is one part.
TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True, eq=False)
class StructureField:
    """`field`: (z, y, x) float32, positive inside the structure, on `lattice` (its own box).

    `islands`: separate parts before some were chosen; `kept`: how many were; `dropped_cm3`: volume
    of the others.
    """

    structure: Structure
    field: NDArray[np.float32]
    lattice: Lattice
    islands: int = 1
    dropped_cm3: float = 0.0
    kept: int = 1


def select_structures(
    fields: Fields, structures: tuple[Structure, ...]
) -> tuple[StructureField, ...]:
    """The structures that were found, each reduced to the parts that are its own.

    Those that must touch others come after all others, whose kept parts alone count.
    """
    selected: dict[int, StructureField] = {}
    for structure in sorted(structures, key=lambda one: bool(one.touches)):
        if structure.label in fields.margins:
            one = _select(fields, structure, _near(structure, selected, fields))
            if one.kept:
                selected[structure.label] = one
    return tuple(selected[one.label] for one in structures if one.label in selected)


def _near(
    structure: Structure, selected: Mapping[int, StructureField], fields: Fields
) -> NDArray[np.bool_] | None:
    """Voxels of its box at which a part touches what it must; None if it need not."""
    if not structure.touches:
        return None
    near = np.zeros(fields.lattice.shape_zyx, bool)
    for label, one in selected.items():
        if one.structure.name in structure.touches:
            near[fields.margins[label].box] |= one.field > 0
    return np.asarray(ndimage.binary_dilation(near, TOUCHING))[fields.margins[structure.label].box]


def _select(fields: Fields, structure: Structure, near: NDArray[np.bool_] | None) -> StructureField:
    margin = fields.margins[structure.label]
    field = margin.values
    labels, count = ndimage.label(field > 0, TOUCHING)
    lattice = _cropped(fields.lattice, margin.box)
    kept = keep_parts(labels, count, structure, lattice, near)
    is_dropped = (labels > 0) & ~kept[labels]
    dropped_cm3 = 0.0
    if is_dropped.any():
        dropped_cm3 = volume_cm3(is_dropped, lattice)
        # A dropped part is turned inside out: its border stays where it was, nothing is inside.
        field = np.where(is_dropped, -np.abs(field), field)
    return StructureField(structure, field, lattice, count, dropped_cm3, int(kept.sum()))


def _cropped(lattice: Lattice, box: Box) -> Lattice:
    """The lattice of a canonical box of an array."""
    axes = list(lattice.axes_mm)
    for side, axis, flipped in zip(box, lattice.order, lattice.flipped, strict=True):
        length = len(lattice.axes_mm[axis])
        along = slice(length - side.stop, length - side.start) if flipped else side
        axes[axis] = lattice.axes_mm[axis][along]
    return Lattice((axes[0], axes[1], axes[2]), lattice.order, lattice.flipped)
