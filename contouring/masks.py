"""Which parts of each field belong to a structure: its largest components, each in a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.fields import Fields, Ranking, margin, rank_channels
from contouring.lattice import Lattice
from contouring.structures import Structure

# Corners join too: a thin structure that runs obliquely is one part.
TOUCHING = np.ones((3, 3, 3), bool)
BOX_MARGIN = 2  # lattice steps around a structure, so that its zero surface lies inside the box


@dataclass(frozen=True, eq=False)
class StructureField:
    """`field`: (z, y, x) float32, positive inside the structure, on `lattice` (its own box).

    `islands`: separate parts before the largest were chosen; `dropped_cm3`: volume of the others.
    """

    structure: Structure
    field: NDArray[np.float32]
    lattice: Lattice
    islands: int = 1
    dropped_cm3: float = 0.0


def select_structures(
    fields: Fields, structures: tuple[Structure, ...]
) -> tuple[StructureField, ...]:
    """The structures that were found, each reduced to its largest components."""
    ranking = rank_channels(fields)
    boxes = ndimage.find_objects(ranking.winner, max_label=len(fields.logits) - 1)
    return tuple(
        _select(fields, ranking, structure, boxes[structure.label - 1])
        for structure in structures
        if boxes[structure.label - 1] is not None
    )


def _select(
    fields: Fields, ranking: Ranking, structure: Structure, found: tuple[slice, slice, slice]
) -> StructureField:
    box = _grown(found, fields.lattice.shape_zyx)
    field = margin(fields, ranking, structure.label, box)
    labels, count = ndimage.label(field > 0, TOUCHING)
    lattice = _cropped(fields.lattice, box)
    dropped_cm3 = 0.0
    if count > structure.components:
        sizes = np.bincount(labels.ravel())[1:]
        kept = np.zeros(count + 1, bool)
        kept[1 + np.argsort(-sizes, kind="stable")[: structure.components]] = True
        dropped_cm3 = _volume_cm3((labels > 0) & ~kept[labels], lattice)
        # A dropped part is turned inside out: its border stays where it was, nothing is inside.
        field = np.where((labels > 0) & ~kept[labels], -np.abs(field), field)
    return StructureField(structure, field, lattice, count, dropped_cm3)


def _volume_cm3(mask: NDArray[np.bool_], lattice: Lattice) -> float:
    """Of samples that each stand for half the way to their neighbours."""
    lengths = [np.gradient(axis) if len(axis) > 1 else np.ones(1) for axis in lattice.axes_mm]
    slices, rows, columns = lengths
    return float(np.einsum("zyx,z,y,x", lattice.to_ct_axes(mask), slices, rows, columns)) / 1e3


def _grown(
    box: tuple[slice, slice, slice], shape: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    z, y, x = (
        slice(max(side.start - BOX_MARGIN, 0), min(side.stop + BOX_MARGIN, length))
        for side, length in zip(box, shape, strict=True)
    )
    return z, y, x


def _cropped(lattice: Lattice, box: tuple[slice, slice, slice]) -> Lattice:
    """The lattice of a canonical box of an array."""
    axes = list(lattice.axes_mm)
    for side, axis, flipped in zip(box, lattice.order, lattice.flipped, strict=True):
        length = len(lattice.axes_mm[axis])
        along = slice(length - side.stop, length - side.start) if flipped else side
        axes[axis] = lattice.axes_mm[axis][along]
    return Lattice((axes[0], axes[1], axes[2]), lattice.order, lattice.flipped)
