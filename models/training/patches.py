"""Augmented training patches, drawn from a case by one affine resampling.

The publishers blanked every voxel outside a mask; a clinic's CT has tissue, couch and air there.
So that a network does not learn the mask, half of the patches get the blanked region filled with
tissue, some get a couch, and some lose more of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from contouring.recipe import IntensityRule
from models.training.cases import AIR_HU, STRUCTURES, TrainingCase, nearest_tissue

MAX_ROTATION_DEG = 12.0
SCALE_RANGE = (0.88, 1.14)
FILL_PROBABILITY = 0.5
MAX_FILL_MM = 60.0
COUCH_PROBABILITY = 0.3
CUT_PROBABILITY = 0.25
PAROTID_R, PAROTID_L = STRUCTURES.index("Parotid_R") + 1, STRUCTURES.index("Parotid_L") + 1
MIRRORED_LABELS = np.arange(len(STRUCTURES) + 1)
MIRRORED_LABELS[[PAROTID_R, PAROTID_L]] = PAROTID_L, PAROTID_R


@dataclass(frozen=True)
class Patch:
    """`image`: (1, z, y, x) float32 network input; `labels`: (z, y, x) int64; `is_drawn`: (8,)."""

    image: torch.Tensor
    labels: torch.Tensor
    is_drawn: torch.Tensor


@dataclass(frozen=True)
class PatchPlan:
    """The window a network is trained on, and how far its centre may stray (mm)."""

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    jitter_mm: float
    intensity: IntensityRule
    binary: bool = False  # any structure counts as 1


class CaseSampler:
    """Draws patches of one case; keeps the nearest tissue of every blanked voxel at hand."""

    def __init__(self, case: TrainingCase, plan: PatchPlan) -> None:
        self.case, self.plan = case, plan
        self._blank_distance_mm, self._filled = nearest_tissue(case)
        self._lattice_mm = _lattice_mm(plan)
        self._label_voxels = [
            np.argwhere(case.labels == label) for label in range(1, len(STRUCTURES) + 1)
        ]

    def draw(self, rng: np.random.Generator) -> Patch:
        """A random augmented patch."""
        mirrored = rng.random() < 0.5
        matrix = _random_rotation(rng) * rng.uniform(*SCALE_RANGE, size=3)
        if mirrored:
            matrix[:, 2] *= -1
        hu = self._augmented_hu(rng)
        image, labels = self._resampled(hu, matrix, self._random_centre_mm(rng))
        drawn = self.case.is_drawn
        if mirrored:
            labels = torch.from_numpy(MIRRORED_LABELS)[labels]
            drawn = drawn[MIRRORED_LABELS]
        image = _noisy(image, rng)
        network_input = torch.from_numpy(self.plan.intensity.apply(image.numpy()))
        return Patch(network_input[None], labels, torch.from_numpy(drawn.copy()))

    def central(self) -> Patch:
        """The patch around the middle of the labels, without augmentation."""
        centre = (np.argwhere(self.case.labels).mean(axis=0)) * self.case.spacing_zyx_mm
        image, labels = self._resampled(self.case.hu, np.eye(3), centre)
        network_input = torch.from_numpy(self.plan.intensity.apply(image.numpy()))
        return Patch(network_input[None], labels, torch.from_numpy(self.case.is_drawn.copy()))

    def _random_centre_mm(self, rng: np.random.Generator) -> NDArray[np.float64]:
        present = [voxels for voxels in self._label_voxels if len(voxels)]
        voxels = present[rng.integers(len(present))]
        level = voxels[rng.integers(len(voxels))][0]
        middle = np.concatenate(present).mean(axis=0)
        centre = np.array([level, middle[1], middle[2]]) * self.case.spacing_zyx_mm
        jitter = self.plan.jitter_mm
        return centre + rng.uniform(-jitter, jitter, size=3)

    def _augmented_hu(self, rng: np.random.Generator) -> NDArray[np.int16]:
        hu = self.case.hu
        if rng.random() < FILL_PROBABILITY:
            reach_mm = rng.uniform(0, MAX_FILL_MM)
            tissue = self._filled + rng.integers(-60, 60, size=hu.shape, dtype=np.int16)
            hu = np.where(self._blank_distance_mm < reach_mm, tissue, hu)
        if rng.random() < COUCH_PROBABILITY:
            hu = _with_couch(hu, self.case.spacing_zyx_mm[1], rng)
        if rng.random() < CUT_PROBABILITY:
            hu = self._cut(hu, rng)
        return hu

    def _cut(self, hu: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
        """Blanks all beyond a random distance from the labels, along one axis."""
        axis = int(rng.integers(3))
        levels = np.flatnonzero(self.case.labels.any(axis=tuple({0, 1, 2} - {axis})))
        gap = int(rng.uniform(3, 40) / self.case.spacing_zyx_mm[axis])
        kept = np.zeros(hu.shape[axis], bool)
        kept[max(levels[0] - gap, 0) : levels[-1] + gap + 1] = True
        shape = [1, 1, 1]
        shape[axis] = -1
        return np.where(kept.reshape(shape), hu, np.int16(AIR_HU))

    def _resampled(
        self, hu: NDArray[np.int16], matrix: NDArray[np.float64], centre_mm: NDArray[np.float64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        index = self._lattice_mm @ torch.from_numpy(matrix.T).float()
        index += torch.from_numpy(centre_mm).float()  # (z, y, x, 3) mm in the case
        index /= torch.tensor(self.case.spacing_zyx_mm)
        box = _reached_box(index, hu.shape)
        hu, case_labels = hu[box], self.case.labels[box]
        index -= torch.tensor([side.start for side in box])
        sides = torch.tensor(hu.shape)
        grid = ((2 * index + 1) / sides - 1).flip(-1)[None]  # grid_sample, align_corners=False
        # Stored above air, so that the zeros outside the case read as air.
        raised = torch.from_numpy(hu.astype(np.float32) - AIR_HU)[None, None]
        image = functional.grid_sample(raised, grid, align_corners=False)[0, 0] + AIR_HU
        return image, self._resampled_labels(case_labels, grid)

    def _resampled_labels(self, labels: NDArray[np.uint8], grid: torch.Tensor) -> torch.Tensor:
        """The label with the largest linearly interpolated share, so that borders stay smooth."""
        if self.plan.binary:
            labels = (labels > 0).astype(np.uint8)
        present = np.union1d([0], np.unique(labels))
        shares = np.stack([labels == label for label in present]).astype(np.float32)
        sampled = functional.grid_sample(torch.from_numpy(shares)[None], grid, align_corners=False)[
            0
        ]
        return torch.from_numpy(present.astype(np.int64))[sampled.argmax(dim=0)]


def _reached_box(index: torch.Tensor, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The part of an array that linear interpolation at `index` (z, y, x, 3) can reach."""
    flat = index.reshape(-1, 3)
    low = [min(max(math.floor(v), 0), n - 1) for v, n in zip(flat.amin(0), shape, strict=True)]
    high = [min(max(math.ceil(v) + 1, 1), n) for v, n in zip(flat.amax(0), shape, strict=True)]
    return tuple(slice(a, max(b, a + 1)) for a, b in zip(low, high, strict=True))


def _lattice_mm(plan: PatchPlan) -> torch.Tensor:
    """(z, y, x, 3) sample places around the window's centre, in mm."""
    axes = [
        (torch.arange(n) - (n - 1) / 2) * mm
        for n, mm in zip(plan.shape_zyx, plan.spacing_zyx_mm, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis in range(3):
        angle = np.deg2rad(rng.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG))
        first, second = [a for a in range(3) if a != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _with_couch(
    hu: NDArray[np.int16], row_spacing_mm: float, rng: np.random.Generator
) -> NDArray[np.int16]:
    """A slab behind the patient, in the blanked region only."""
    rows = np.flatnonzero((hu > AIR_HU).any(axis=(0, 2)))
    first = rows[-1] - int(rng.uniform(0, 60) / row_spacing_mm)
    couch = np.array(hu)
    slab = couch[:, first : first + 1 + int(rng.uniform(4, 40) / row_spacing_mm)]
    slab[slab <= AIR_HU] = int(rng.uniform(-700, 100))
    return couch


def _noisy(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Shift, gain and noise in Hounsfield units; sometimes a blur, as of another kernel."""
    if rng.random() < 0.25:
        image = functional.avg_pool3d(image[None, None], 3, stride=1, padding=1)[0, 0]
    noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(rng.uniform(0, 30))
    return image * rng.uniform(0.92, 1.08) + rng.uniform(-30, 30) + torch.from_numpy(noise)
