"""Which parts of each field belong to a structure, usually its largest, each in a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.fields import Fields, Ranking, margin, rank_channels
from contouring.lattice import Lattice
from contouring.part_rules import keep_parts, volume_cm3
from contouring.structures import Structure

Box = tuple[slice, slice, slice]
# Corners join too: a thin structure that runs obliquely is one part.
TOUCHING = np.ones((3, 3, 3), bool)
BOX_MARGIN = 2  # lattice steps around a structure, so that its zero surface lies inside the box


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
    ranking = rank_channels(fields)
    found = ndimage.find_objects(ranking.winner, max_label=len(fields.logits) - 1)
    boxes = {
        structure.label: _grown(found[structure.label - 1], fields.lattice.shape_zyx)
        for structure in structures
        if found[structure.label - 1] is not None
    }
    selected: dict[int, StructureField] = {}
    for structure in sorted(structures, key=lambda one: bool(one.touches)):
        if structure.label in boxes:
            box = boxes[structure.label]
            near = _near(structure, selected, boxes, fields.lattice.shape_zyx)
            one = _select(fields, ranking, structure, box, None if near is None else near[box])
            if one.kept:
                selected[structure.label] = one
    return tuple(selected[one.label] for one in structures if one.label in selected)


def _near(
    structure: Structure,
    selected: Mapping[int, StructureField],
    boxes: Mapping[int, Box],
    shape_zyx: tuple[int, int, int],
) -> NDArray[np.bool_] | None:
    """Voxels (z, y, x) at which a part touches what it must; None if it need not."""
    if not structure.touches:
        return None
    near = np.zeros(shape_zyx, bool)
    for label, one in selected.items():
        if one.structure.name in structure.touches:
            near[boxes[label]] |= one.field > 0
    return np.asarray(ndimage.binary_dilation(near, TOUCHING))


def _select(
    fields: Fields,
    ranking: Ranking,
    structure: Structure,
    box: Box,
    near: NDArray[np.bool_] | None,
) -> StructureField:
    field = margin(fields, ranking, structure.label, box)
    labels, count = ndimage.label(field > 0, TOUCHING)
    lattice = _cropped(fields.lattice, box)
    kept = keep_parts(labels, count, structure, lattice, near)
    is_dropped = (labels > 0) & ~kept[labels]
    dropped_cm3 = 0.0
    if is_dropped.any():
        dropped_cm3 = volume_cm3(is_dropped, lattice)
        # A dropped part is turned inside out: its border stays where it was, nothing is inside.
        field = np.where(is_dropped, -np.abs(field), field)
    return StructureField(structure, field, lattice, count, dropped_cm3, int(kept.sum()))


def _grown(box: Box, shape: tuple[int, int, int]) -> Box:
    z, y, x = (
        slice(max(side.start - BOX_MARGIN, 0), min(side.stop + BOX_MARGIN, length))
        for side, length in zip(box, shape, strict=True)
    )
    return z, y, x


def _cropped(lattice: Lattice, box: Box) -> Lattice:
    """The lattice of a canonical box of an array."""
    axes = list(lattice.axes_mm)
    for side, axis, flipped in zip(box, lattice.order, lattice.flipped, strict=True):
        length = len(lattice.axes_mm[axis])
        along = slice(length - side.stop, length - side.start) if flipped else side
        axes[axis] = lattice.axes_mm[axis][along]
    return Lattice((axes[0], axes[1], axes[2]), lattice.order, lattice.flipped)
