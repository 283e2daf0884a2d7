"""The region of interest: where the localizer saw structures, as a box in millimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from contouring.fields import Fields, FractionDone, predict_fields
from contouring.lattice import BoxMm, Lattice
from contouring.recipe import Localizer, RoiRule
from contouring.volume import CTVolume


def find_roi(ct: CTVolume, localizer: Localizer, done: FractionDone) -> BoxMm | None:
    """The box around what the localizer found, with its margin; None if it found nothing."""
    fields = predict_fields(ct, localizer.stage, localizer.predictor, None, done)
    return _box(_foreground(fields, localizer.rule), fields.lattice, ct, localizer.rule)


def _foreground(fields: Fields, rule: RoiRule) -> NDArray[np.bool_]:
    """Components of at least the rule's volume (Lyu et al., section 2.3)."""
    mask = fields.logits[1] > fields.logits[0]
    labels, count = ndimage.label(mask)
    voxel_cm3 = _voxel_cm3(fields.lattice)
    sizes_cm3 = np.bincount(labels.ravel(), minlength=count + 1) * voxel_cm3
    kept = sizes_cm3 >= rule.minimum_component_cm3
    kept[0] = False
    return np.asarray(kept[labels])


def _voxel_cm3(lattice: Lattice) -> float:
    steps = (float(np.median(np.diff(a))) if len(a) > 1 else 1.0 for a in lattice.axes_mm)
    return float(np.prod(list(steps))) / 1000.0


def _box(mask: NDArray[np.bool_], lattice: Lattice, ct: CTVolume, rule: RoiRule) -> BoxMm | None:
    if not mask.any():
        return None
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
