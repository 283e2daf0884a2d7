"""The region of interest: where the localizer saw structures, as a box in mm or as a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.candidate_region import (
    CandidateRegion,
    dilate,
    find_body_box,
    part_sizes,
    patient_mask,
)
from contouring.fields import FractionDone, predict_foreground
from contouring.grid import Grid
from contouring.lattice import BoxMm, Lattice, resample
from contouring.recipe import Localizer, MaskRule, RoiRule
from contouring.volume import CTVolume


@dataclass(frozen=True, eq=False)
class Region:
    """What the segmenter is shown: a box, and of it only the candidates where a mask says so.

    `share`: of the scan's voxels.
    """

    box: BoxMm
    share: float
    candidates: CandidateRegion | None = None

    def on(self, lattice: Lattice) -> NDArray[np.bool_]:
        """(z, y, x) bool: the samples of a lattice of the same scan that lie in the region."""
        if self.candidates is not None:
            return self.candidates.on(lattice)
        slices, rows, columns = _inside(self.box, lattice.axes_mm)
        return lattice.to_canonical(slices[:, None, None] & rows[:, None] & columns)


def body_region(ct: CTVolume) -> Region:
    """The box around the patient's body."""
    box = find_body_box(ct)
    return Region(box, _share(box, ct.grid))


def find_region(ct: CTVolume, localizer: Localizer, done: FractionDone) -> Region | None:
    """Around what the localizer found, as its rule has it; None if it found nothing."""
    seen = find_body_box(ct) if localizer.crops_to_body else None
    lattice, found = predict_foreground(ct, localizer.stage, localizer.predictor, seen, done)
    rule = localizer.rule
    if localizer.body_reach_mm is not None:
        body = patient_mask(resample(ct.hu, ct.grid, lattice))
        found &= dilate(body, lattice, localizer.body_reach_mm)
    mask = _large_components(found, lattice, rule.minimum_component_cm3)
    if not mask.any():
        return None
    if isinstance(rule, MaskRule):
        candidates = CandidateRegion(dilate(mask, lattice, rule.dilation_mm), lattice)
        return Region(candidates.box(ct.grid), candidates.share, candidates)
    box = _box(mask, lattice, ct, rule)
    return Region(box, _share(box, ct.grid))


def _large_components(
    mask: NDArray[np.bool_], lattice: Lattice, minimum_cm3: float
) -> NDArray[np.bool_]:
    """Components of at least the rule's volume (Lyu et al., section 2.3)."""
    labels, count = ndimage.label(mask)
    voxel_cm3 = _voxel_cm3(lattice)
    sizes_cm3 = part_sizes(labels, count) * voxel_cm3
    kept = sizes_cm3 >= minimum_cm3
    kept[0] = False
    return np.asarray(kept[labels])


def _voxel_cm3(lattice: Lattice) -> float:
    steps = (float(np.median(np.diff(a))) if len(a) > 1 else 1.0 for a in lattice.axes_mm)
    return float(np.prod(list(steps))) / 1000.0


def _box(mask: NDArray[np.bool_], lattice: Lattice, ct: CTVolume, rule: RoiRule) -> BoxMm:
    along_ct = lattice.to_ct_axes(mask)
    margins_mm = np.empty(3)
    margins_mm[list(lattice.order)] = rule.margin_zyx_mm
    low, high = [], []
    for axis, margin in enumerate(margins_mm):
        others = tuple({0, 1, 2} - {axis})
        found = lattice.axes_mm[axis][np.flatnonzero(along_ct.any(axis=others))]
        scan = ct.grid.axes_mm[axis]
        low.append(max(float(found[0] - margin), float(scan[0])))
        high.append(min(float(found[-1] + margin), float(scan[-1])))
    return BoxMm((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _share(box: BoxMm, grid: Grid) -> float:
    """Of the scan's voxels, by their centres."""
    return float(np.prod([inside.mean() for inside in _inside(box, grid.axes_mm)]))


def _inside(box: BoxMm, axes_mm: Sequence[NDArray[np.float64]]) -> list[NDArray[np.bool_]]:
    sides = zip(box.low, box.high, axes_mm, strict=True)
    return [(low <= axis) & (axis <= high) for low, high, axis in sides]
