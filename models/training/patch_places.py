"""Where a patch lies in a case and how it is turned: an affine map, drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contouring.lattice import is_near
from models.training.averaging import reach_voxels
from models.training.prepared_cases import PreparedCase
from models.training.recipe_file import Augmentation, Recipe

AXES = "zyx"


@dataclass(frozen=True)
class Place:
    """Samples `centre_mm + matrix @ offset_mm`, all (z, y, x) from the case's first voxel centre.

    Offsets are those of `shape_zyx` samples, `spacing_zyx_mm` apart, from their middle.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    matrix: NDArray[np.float64]
    centre_mm: NDArray[np.float64]

    def voxel_index(self, case: PreparedCase, device: torch.device) -> Tensor:
        """(z, y, x, 3) index of every sample among the case's voxels, float32."""
        to_voxels = self.matrix / np.array(case.spacing_zyx_mm)[:, None]
        turn = torch.from_numpy(to_voxels.T).to(device, torch.float32)
        start = torch.from_numpy(self.centre_mm / case.spacing_zyx_mm)
        # Added axis by axis: as a product of matrices a GPU would round it to ten bits (TF32).
        index = start.to(device, torch.float32)
        for axis, (n, mm) in enumerate(zip(self.shape_zyx, self.spacing_zyx_mm, strict=True)):
            offsets_mm = (torch.arange(n, device=device) - (n - 1) / 2) * mm
            sides = [1, 1, 1, 1]
            sides[axis] = n
            index = index + offsets_mm.reshape(sides) * turn[axis]
        return index

    def sample_index(self, case: PreparedCase, axis: int) -> Tensor:
        """(n,) index among the samples along `axis` of each of the case's voxels; unturned only."""
        voxels = torch.arange(case.shape_zyx[axis]) * case.spacing_zyx_mm[axis]
        middle = (self.shape_zyx[axis] - 1) / 2
        return (voxels - float(self.centre_mm[axis])) / self.spacing_zyx_mm[axis] + middle

    def reached_box(self, case: PreparedCase) -> tuple[slice, slice, slice]:
        """The part of the case's arrays that averages, interpolated at the samples, can reach."""
        reach = (np.array(self.shape_zyx) - 1) / 2 * self.spacing_zyx_mm
        around = np.multiply(
            reach_voxels(case.spacing_zyx_mm, self.spacing_zyx_mm), case.spacing_zyx_mm
        )
        half = np.abs(self.matrix) @ reach + around
        sides = []
        for low, high, mm, voxels in zip(
            self.centre_mm - half,
            self.centre_mm + half,
            case.spacing_zyx_mm,
            case.shape_zyx,
            strict=True,
        ):
            first = min(max(math.floor(low / mm), 0), voxels - 1)
            last = min(max(math.ceil(high / mm) + 1, first + 1), voxels)
            sides.append(slice(first, last))
        return sides[0], sides[1], sides[2]


def sample_spacing_mm(recipe: Recipe, case: PreparedCase) -> tuple[float, float, float]:
    """Between samples along z, y, x: the recipe's, or the case's own where the recipe keeps it."""
    if recipe.shape is not None:
        # The first and the last sample lie on the scan's first and last voxel centres.
        z, y, x = (
            max(voxels - 1, 1) * mm / max(samples - 1, 1)
            for voxels, mm, samples in zip(
                case.shape_zyx, case.spacing_zyx_mm, recipe.shape, strict=True
            )
        )
        return z, y, x
    asked = ("native",) * 3 if recipe.spacing_mm in (None, "native") else recipe.spacing_mm
    factor = recipe.own_within
    z, y, x = (
        own
        if side == "native" or (factor is not None and is_near(own, float(side), factor))
        else float(side)
        for side, own in zip(asked, case.spacing_zyx_mm, strict=True)  # type: ignore[arg-type]
    )
    return z, y, x


def random_place(
    recipe: Recipe, case: PreparedCase, rng: np.random.Generator
) -> tuple[Place, bool]:
    """A place for a training patch, and whether it shows the patient mirrored from side to side."""
    choice = recipe.augmentation
    is_unturned = choice.unturned > 0 and rng.random() < choice.unturned
    matrix = np.eye(3)
    if not is_unturned:
        matrix = _random_rotation(choice, rng) * rng.uniform(*choice.scale_range, size=3)
    mirrored = False
    for axis in choice.flips:
        if rng.random() < 0.5:
            matrix[:, AXES.index(axis)] *= -1
            mirrored ^= axis == "x"
    spacing = sample_spacing_mm(recipe, case)
    centre_mm = _random_centre_mm(recipe, case, np.array(spacing), rng)
    if is_unturned:
        centre_mm = _on_voxels(centre_mm, recipe.patch, spacing, case)
    return Place(recipe.patch, spacing, matrix, centre_mm), mirrored


def whole_place(recipe: Recipe, case: PreparedCase) -> Place:
    """The whole case, unturned, in as many samples as windows and `multiple_of` ask for."""
    spacing = sample_spacing_mm(recipe, case)
    extent_mm = (np.array(case.shape_zyx) - 1) * case.spacing_zyx_mm
    shape = []
    for length, mm, window in zip(extent_mm, spacing, recipe.sliding_window, strict=True):
        samples = max(math.floor(length / mm + 1e-6) + 1, window)
        step = recipe.multiple_of if window > 1 else 1
        shape.append(-(-samples // step) * step)
    sides = (shape[0], shape[1], shape[2])
    centre_mm = _on_voxels(extent_mm / 2, sides, spacing, case)
    return Place(sides, spacing, np.eye(3), centre_mm)


def _on_voxels(
    centre_mm: NDArray[np.float64],
    shape_zyx: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    case: PreparedCase,
) -> NDArray[np.float64]:
    """The nearest centre from which samples lie on voxels, along axes that keep the case's own.

    Half a voxel off, an image is blurred and an organ of three voxels another one.
    """
    half = (np.array(shape_zyx) - 1) / 2
    moved = (np.round(centre_mm / spacing_mm - half) + half) * spacing_mm
    return np.where(np.equal(spacing_mm, case.spacing_zyx_mm), moved, centre_mm)


def _random_rotation(choice: Augmentation, rng: np.random.Generator) -> NDArray[np.float64]:
    matrix = np.eye(3)
    for axis, largest in enumerate(choice.rotation_deg):
        angle = np.deg2rad(rng.uniform(-largest, largest))
        first, second = (other for other in range(3) if other != axis)
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _random_centre_mm(
    recipe: Recipe, case: PreparedCase, spacing_mm: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    sampling = recipe.sampling
    extent_mm = (np.array(case.shape_zyx) - 1) * case.spacing_zyx_mm
    present = [voxels for voxels in case.voxels if len(voxels)]
    if sampling.centre == "scan" or not present:
        centre = extent_mm / 2
    elif sampling.centre == "levels":
        middle = torch.cat(list(present)).double().mean(dim=0).numpy()
        level = _any_voxel(present, rng)[0]
        centre = np.array([level, middle[1], middle[2]]) * case.spacing_zyx_mm
    else:
        if rng.random() < sampling.foreground_share:
            centre = _any_voxel(present, rng) * case.spacing_zyx_mm
        else:
            centre = rng.uniform(0, 1, size=3) * extent_mm
        # A patch lies within the case where it fits, as it will when the network is used.
        half = np.minimum((np.array(recipe.patch) - 1) / 2 * spacing_mm, extent_mm / 2)
        centre = np.clip(centre, half, extent_mm - half)
    jitter: NDArray[np.float64] = rng.uniform(-1, 1, size=3) * sampling.jitter_mm
    return np.asarray(centre + jitter, np.float64)


def _any_voxel(present: list[Tensor], rng: np.random.Generator) -> NDArray[np.float64]:
    """A voxel of any structure, small ones as often as large ones."""
    voxels = present[rng.integers(len(present))]
    return voxels[int(rng.integers(len(voxels)))].double().numpy()
