"""Averaging before a coarse grid is sampled, as `contouring.lattice` does it when a model is used.

There a sample averages over a triangle as wide as the samples' spacing, on either side; sampled
without it, a network would learn from noise that it is never shown again.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Spacing = tuple[float, float, float]


def reach_voxels(voxels_mm: Spacing, samples_mm: Spacing) -> tuple[int, int, int]:
    """How far the average at a voxel reaches to either side, along z, y, x; 0 for none."""
    z, y, x = (
        max(math.ceil(sample / voxel - 1e-6) - 1, 0)
        for voxel, sample in zip(voxels_mm, samples_mm, strict=True)
    )
    return z, y, x


def averaged(hu: Tensor, voxels_mm: Spacing, samples_mm: Spacing) -> Tensor:
    """`hu` (z, y, x) averaged along each axis whose samples are to be wider apart than its voxels.

    Interpolated linearly afterwards this is the triangle itself where samples are a whole number of
    voxels apart, and close to it elsewhere.
    """
    for axis, reach in enumerate(reach_voxels(voxels_mm, samples_mm)):
        if reach:
            hu = _averaged_along(hu, axis, reach, voxels_mm[axis] / samples_mm[axis])
    return hu


def _averaged_along(hu: Tensor, axis: int, reach: int, fall: float) -> Tensor:
    """`fall`: by how much a weight is smaller for each voxel of distance."""
    length = hu.shape[axis]
    total, weights = torch.zeros_like(hu), torch.zeros(length, device=hu.device)
    for step in range(-min(reach, length - 1), min(reach, length - 1) + 1):
        weight, kept = 1 - abs(step) * fall, length - abs(step)
        to, source = max(-step, 0), max(step, 0)
        total.narrow(axis, to, kept).add_(hu.narrow(axis, source, kept), alpha=weight)
        weights[to : to + kept] += weight
    sides = [1, 1, 1]
    sides[axis] = length
    return total / weights.reshape(sides)
