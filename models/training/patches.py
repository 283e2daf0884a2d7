"""Training patches, drawn from a case by one affine resampling on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.augmentation import (
    NoiseSource,
    augmented_hu,
    augmented_surroundings,
    augmented_values,
)
from models.training.averaging import averaged
from models.training.cases import AIR_HU
from models.training.laterality import mirrored_labels
from models.training.patch_places import Place, random_place, whole_place
from models.training.prepared_cases import PreparedCase
from models.training.recipe_file import Recipe

LARGEST_SEED = 2**62


@dataclass(frozen=True)
class Patch:
    """`image` (1, z, y, x) float32, a network's input; `labels` (z, y, x) int64; `is_drawn`
    (1 + structures,) bool; `counts` (z, y, x) bool: what is learned from.
    """

    image: Tensor
    labels: Tensor
    is_drawn: Tensor
    counts: Tensor


@dataclass(frozen=True)
class Batch:
    """Patches one behind the other: the same as theirs, with a first axis of its own."""

    image: Tensor
    labels: Tensor
    is_drawn: Tensor
    counts: Tensor

    @staticmethod
    def of(patches: Sequence[Patch], layout: torch.memory_format) -> Batch:
        """The patches in their order; `layout`: of the image in memory."""
        return Batch(
            torch.stack([patch.image for patch in patches]).to(memory_format=layout),
            torch.stack([patch.labels for patch in patches]),
            torch.stack([patch.is_drawn for patch in patches]),
            torch.stack([patch.counts for patch in patches]),
        )


class PatchSampler:
    """Draws a recipe's patches on `device`."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        # What each label is called in a mirrored patient; asked for only where patients are.
        self._mirrored: Tensor | None = None
        if "x" in recipe.augmentation.flips:
            names = mirrored_labels(recipe.structure_names)
            self._mirrored = torch.from_numpy(names).to(device)

    def draw(self, case: PreparedCase, rng: np.random.Generator) -> Patch:
        """A random augmented patch; the same again for the same state of `rng`."""
        choice = self.recipe.augmentation
        place, is_mirrored = random_place(self.recipe, case, rng)
        noise = NoiseSource(self.device, int(rng.integers(LARGEST_SEED)))
        box = place.reached_box(case)
        hu = augmented_surroundings(case, box, choice, rng, noise)
        grid = self._grid(case, place, box)
        hu = averaged(hu, case.spacing_zyx_mm, place.spacing_zyx_mm)
        image = augmented_hu(_sampled_hu(hu, grid), choice, rng, noise)
        image = augmented_values(_network_input(image, case), choice, rng)
        labels, is_drawn = self._sampled_labels(case, box, grid), case.is_drawn.to(self.device)
        if is_mirrored and self._mirrored is not None:
            is_drawn = is_drawn[self._mirrored]
            labels = labels if self.recipe.binary else self._mirrored[labels]
        return Patch(image[None], labels, is_drawn, self._sampled_candidate(case, box, grid))

    def whole(self, case: PreparedCase, place: Place | None = None) -> Patch:
        """The whole case without augmentation."""
        place = place or whole_place(self.recipe, case)
        box = place.reached_box(case)
        grid = self._grid(case, place, box)
        hu = case.hu[box].to(self.device, torch.float32)
        hu = averaged(hu, case.spacing_zyx_mm, place.spacing_zyx_mm)
        return Patch(
            _network_input(_sampled_hu(hu, grid), case)[None],
            self._sampled_labels(case, box, grid),
            case.is_drawn.to(self.device),
            self._sampled_candidate(case, box, grid),
        )

    def _grid(self, case: PreparedCase, place: Place, box: tuple[slice, ...]) -> Tensor:
        """(1, z, y, x, 3) places in the box as `grid_sample` wants them: x, y, z from -1 to 1."""
        starts = torch.tensor([float(side.start) for side in box], device=self.device)
        sides = torch.tensor([float(side.stop - side.start) for side in box], device=self.device)
        index = place.voxel_index(case, self.device) - starts
        return ((2 * index + 1) / sides - 1).flip(-1)[None]

    def _sampled_labels(self, case: PreparedCase, box: tuple[slice, ...], grid: Tensor) -> Tensor:
        """The label with the largest linearly interpolated share, so that borders stay smooth."""
        labels = case.labels[box].to(self.device)
        if self.recipe.binary:
            kept, shares = [1], (labels > 0)[None]
        else:
            kept = [label for label, voxels in enumerate(case.voxels, start=1) if len(voxels)]
            shares = torch.stack([labels == label for label in kept]) if kept else labels[None] > 0
        sampled = functional.grid_sample(shares.float()[None], grid, align_corners=False)[0]
        background = 1 - sampled.sum(dim=0, keepdim=True)
        values = torch.tensor([0, *kept], device=self.device)
        return values[torch.cat((background, sampled)).argmax(dim=0)]

    def _sampled_candidate(
        self, case: PreparedCase, box: tuple[slice, ...], grid: Tensor
    ) -> Tensor:
        if case.candidate is None:
            return torch.ones(grid.shape[1:4], dtype=torch.bool, device=self.device)
        mask = case.candidate[box].to(self.device, torch.float32)[None, None]
        return functional.grid_sample(mask, grid, align_corners=False)[0, 0] > 0.5


def _sampled_hu(hu: Tensor, grid: Tensor) -> Tensor:
    # Raised above air, so that the zeros outside the case read as air.
    raised = (hu - AIR_HU)[None, None]
    return functional.grid_sample(raised, grid, align_corners=False)[0, 0] + AIR_HU


def _network_input(hu: Tensor, case: PreparedCase) -> Tensor:
    """As `contouring.recipe.IntensityRule` maps it, on any device."""
    low, high, bottom, top = case.intensity
    return (hu.clamp(low, high) - low) * ((top - bottom) / (high - low)) + bottom
