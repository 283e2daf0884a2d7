"""What a contoured structure scores against the drawn one; every measure is MONAI's.

Distances are between the outermost voxels of both masks, in millimetres (the grid's spacing). The
surface Dice weighs surface elements by their area (Nikolov et al., J. Med. Internet Res.
23:e26151, 2021). On voxels of 4 mm a measure in millimetres moves in steps of about that size.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.meandice import compute_dice
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from numpy.typing import NDArray
from torch import Tensor

from models.evaluation.results import Score

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
DECIMALS = 5  # of what MONAI computes in float32


def score_structure(contoured: Mask, drawn: Mask, spacing_zyx_mm: Spacing) -> Score:
    """Both masks: (z, y, x) bool on the same grid; something must have been drawn.

    Dice; the Hausdorff distance and the larger one of both directions' 95th percentiles; the mean
    distance over the surface voxels of both; the surface Dice at 1 and 2 mm. A structure of which
    nothing was contoured has no distances. Each counts as the scan's diagonal, as in the BraTS
    challenges: means over found structures alone would reward a model that skips the hard ones.
    """
    if not contoured.any():
        furthest_mm = round(float(np.linalg.norm(np.array(drawn.shape) * spacing_zyx_mm)), DECIMALS)
        return Score(0.0, furthest_mm, furthest_mm, furthest_mm, 0.0, 0.0, is_found=False)
    box = _box(contoured | drawn)
    # (1, 1, z, y, x): a batch of one case, and its structure without a background channel.
    ours, theirs = (torch.from_numpy(m[box].copy())[None, None] for m in (contoured, drawn))
    with warnings.catch_warnings():
        # Of an argument that MONAI itself passes.
        warnings.filterwarnings("ignore", ".*always_return_as_numpy", FutureWarning)
        return Score(
            dice=_value(compute_dice(ours, theirs, include_background=True)),
            hausdorff_mm=_hausdorff_mm(ours, theirs, spacing_zyx_mm, None),
            hausdorff_95_mm=_hausdorff_mm(ours, theirs, spacing_zyx_mm, 95.0),
            mean_surface_distance_mm=_value(
                compute_average_surface_distance(
                    ours, theirs, include_background=True, symmetric=True, spacing=spacing_zyx_mm
                )
            ),
            surface_dice_1mm=_surface_dice(ours, theirs, spacing_zyx_mm, 1.0),
            surface_dice_2mm=_surface_dice(ours, theirs, spacing_zyx_mm, 2.0),
            is_found=True,
        )


def _hausdorff_mm(
    ours: Tensor, theirs: Tensor, spacing_zyx_mm: Spacing, percentile: float | None
) -> float:
    return _value(
        compute_hausdorff_distance(
            ours, theirs, include_background=True, percentile=percentile, spacing=spacing_zyx_mm
        )
    )


def _surface_dice(
    ours: Tensor, theirs: Tensor, spacing_zyx_mm: Spacing, tolerance_mm: float
) -> float:
    return _value(
        compute_surface_dice(
            ours,
            theirs,
            class_thresholds=[tolerance_mm],
            include_background=True,
            spacing=spacing_zyx_mm,
            use_subvoxels=True,
        )
    )


def _value(measured: Tensor) -> float:
    """Of the one structure of the one case."""
    return round(float(measured), DECIMALS)


def _box(mask: Mask) -> tuple[slice, slice, slice]:
    """The smallest box around all voxels: the rest of a scan costs time and changes nothing."""
    axes = ((1, 2), (0, 2), (0, 1))
    ends = [np.flatnonzero(mask.any(axis=others))[[0, -1]] for others in axes]
    z, y, x = (slice(int(first), int(last) + 1) for first, last in ends)
    return z, y, x
