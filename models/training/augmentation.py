"""What is done to the Hounsfield units of a patch at random; places are `patch_places`'.

Publishers blank what lies outside a mask; a clinic's CT has tissue, couch and air there. So that a
network does not learn the mask, recipes for such data fill the blanked region, furnish it with a
couch or cut more of the image.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.cases import AIR_HU
from models.training.prepared_cases import PreparedCase
from models.training.recipe_file import Augmentation

FILL_NOISE_HU = 60
COUCH_MM = (4.0, 40.0)
COUCH_OVERLAP_MM = 60.0  # how far the couch reaches in front of the patient's back
COUCH_HU = (-700.0, 100.0)
CUT_GAP_MM = (3.0, 40.0)

Box = tuple[slice, slice, slice]


def augmented_surroundings(
    case: PreparedCase, box: Box, choice: Augmentation, rng: np.random.Generator, noise: NoiseSource
) -> Tensor:
    """The case's Hounsfield units in `box`, float32, its blanked region as another scan's."""
    hu = case.hu[box].to(noise.device, torch.float32)
    if case.blank_mm is not None and case.nearest is not None and rng.random() < choice.fill:
        reach_mm = rng.uniform(0, choice.fill_reach_mm)
        tissue = case.nearest[box].to(noise.device, torch.float32)
        tissue = tissue + noise.uniform(tissue.shape, FILL_NOISE_HU)
        blank_mm = case.blank_mm[box].to(noise.device)
        hu = torch.where((blank_mm > 0) & (blank_mm < reach_mm), tissue, hu)
    if rng.random() < choice.couch:
        hu = _with_couch(hu, case.spacing_zyx_mm[1], rng)
    if rng.random() < choice.cut and any(map(len, case.voxels)):
        hu = _cut(hu, case, box, rng)
    return hu


def augmented_hu(
    hu: Tensor, choice: Augmentation, rng: np.random.Generator, noise: NoiseSource
) -> Tensor:
    """A patch (z, y, x) with another scanner's blur, noise, gain and offset."""
    if rng.random() < choice.blur:
        sides = tuple(3 if side > 1 else 1 for side in hu.shape)
        padding = tuple(side // 2 for side in sides)
        hu = functional.avg_pool3d(
            hu[None, None], sides, stride=1, padding=padding, count_include_pad=False
        )[0, 0]
    if choice.noise_hu > 0:
        hu = hu + noise.normal(hu.shape, rng.uniform(0, choice.noise_hu))
    gain = 1 + rng.uniform(-1, 1) * choice.gain
    return hu * gain + rng.uniform(-1, 1) * choice.shift_hu


def augmented_values(values: Tensor, choice: Augmentation, rng: np.random.Generator) -> Tensor:
    """The network's input (z, y, x) scaled and shifted, in its own units."""
    gain = 1 + rng.uniform(-1, 1) * choice.gain_values
    return values * gain + rng.uniform(-1, 1) * choice.shift_values


class NoiseSource:
    """Noise made where it is used, the same again for the same seed and kind of device."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed)

    def uniform(self, shape: torch.Size, largest: float) -> Tensor:
        """Between -largest and largest."""
        drawn = torch.rand(shape, generator=self._generator, device=self.device)
        return (2 * drawn - 1) * largest

    def normal(self, shape: torch.Size, deviation: float) -> Tensor:
        """Of that standard deviation around zero."""
        drawn = torch.randn(shape, generator=self._generator, device=self.device)
        return drawn * deviation


def _with_couch(hu: Tensor, row_spacing_mm: float, rng: np.random.Generator) -> Tensor:
    """A slab behind the patient, in the blanked region only."""
    rows = (hu > AIR_HU).any(dim=2).any(dim=0)
    row = torch.arange(len(rows), device=hu.device)
    back = torch.where(rows, row, -1).max()
    first = back - int(rng.uniform(0, COUCH_OVERLAP_MM) / row_spacing_mm)
    last = first + int(rng.uniform(*COUCH_MM) / row_spacing_mm)
    slab = ((row >= first) & (row <= last))[None, :, None]
    return torch.where(slab & (hu <= AIR_HU), rng.uniform(*COUCH_HU), hu)


def _cut(hu: Tensor, case: PreparedCase, box: Box, rng: np.random.Generator) -> Tensor:
    """Blanks all beyond a random distance from the labels, along one axis."""
    axis = int(rng.integers(3))
    present = [voxels[:, axis] for voxels in case.voxels if len(voxels)]
    gap = int(rng.uniform(*CUT_GAP_MM) / case.spacing_zyx_mm[axis])
    first = min(int(levels.min()) for levels in present) - gap
    last = max(int(levels.max()) for levels in present) + gap
    level = torch.arange(box[axis].start, box[axis].stop, device=hu.device)
    shape = [1, 1, 1]
    shape[axis] = -1
    return torch.where(((level >= first) & (level <= last)).reshape(shape), hu, float(AIR_HU))
