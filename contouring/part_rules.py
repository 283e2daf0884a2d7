"""Part rules: which separate parts of what a network saw are kept as the structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contouring.lattice import Lattice
from contouring.structures import Structure


def keep_parts(
    labels: NDArray[np.int32],
    count: int,
    structure: Structure,
    lattice: Lattice,
    near: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    """Whether each of the parts 0 (the background, never), 1, ..., `count` is kept.

    `labels`: (z, y, x), the number of each voxel's part; `near`: (z, y, x), where a part touches
    the organs that it must touch (tumours grow on organs: Lyu et al., section 2.3), None if it need
    not. Size and touch come first; the largest are chosen among what is left.
    """
    kept = np.ones(count + 1, bool)
    kept[0] = False
    if structure.minimum_cm3 > 0:
        kept &= _volumes_cm3(labels, count, lattice) >= structure.minimum_cm3
    if near is not None:
        kept &= np.bincount(labels[near], minlength=count + 1) > 0
    if structure.components is not None and kept.sum() > structure.components:
        sizes = np.bincount(labels.ravel(), minlength=count + 1) * kept
        kept[np.argsort(-sizes, kind="stable")[structure.components :]] = False
    return kept


def volume_cm3(mask: NDArray[np.bool_], lattice: Lattice) -> float:
    """Of samples (z, y, x) that each stand for half the way to their neighbours."""
    slices, rows, columns = _lengths_mm(lattice)
    return float(np.einsum("zyx,z,y,x", lattice.to_ct_axes(mask), slices, rows, columns)) / 1e3


def _volumes_cm3(labels: NDArray[np.int32], count: int, lattice: Lattice) -> NDArray[np.float64]:
    slices, rows, columns = _lengths_mm(lattice)
    each_mm3 = slices[:, None, None] * rows[:, None] * columns
    parts = lattice.to_ct_axes(labels)
    return np.bincount(parts.ravel(), each_mm3.ravel(), minlength=count + 1) / 1e3


def _lengths_mm(lattice: Lattice) -> list[NDArray[np.float64]]:
    return [np.gradient(axis) if len(axis) > 1 else np.ones(1) for axis in lattice.axes_mm]
