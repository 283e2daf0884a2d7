"""The voxels that a cascade's networks are to classify (Roth et al., arXiv 1803.05431, section 2).

The first network learns from the patient's body alone, the second from what the first one marked,
dilated.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from contouring.candidate_region import patient_mask
from models.training.cases import TrainingCase
from models.training.patches import PatchSampler
from models.training.prediction import on_voxels, soft_vote
from models.training.prepared_cases import Marker, PreparedCase, prepare_case
from models.training.recipe_file import Recipe, RecipeError
from models.training.runs import CHECKPOINT, load_network


def build_marker(recipe: Recipe, coarse: Path | None, device: torch.device) -> Marker | None:
    """What marks a recipe's candidate region in a case; None where everything is learned from.

    `coarse`: the run of the coarse network; raises `RecipeError` where the recipe needs it.
    """
    if recipe.candidate is None:
        return None
    if recipe.candidate.region == "body":
        return BodyMarker(recipe.candidate.dilation_mm)
    if coarse is None:
        raise RecipeError(
            f"recipe {recipe.name} learns from the region that a coarse network marks: "
            "give its run with --coarse"
        )
    coarse_recipe, network = load_network(coarse)
    marker = CoarseMarker(coarse_recipe, network, recipe.candidate.dilation_mm, device)
    marker.checksum = hashlib.sha256((coarse / CHECKPOINT).read_bytes()).hexdigest()
    return marker


class BodyMarker:
    """The largest part that is denser than air, with what it encloses slice by slice."""

    def __init__(self, dilation_mm: float) -> None:
        self.dilation_mm = dilation_mm

    def __call__(self, case: TrainingCase) -> NDArray[np.bool_]:
        return dilated(patient_mask(case.hu), case, self.dilation_mm)


class CoarseMarker:
    """Whatever a coarse network finds more likely than background; `checksum`: of its run."""

    checksum = ""

    def __init__(
        self, recipe: Recipe, network: nn.Module, dilation_mm: float, device: torch.device
    ) -> None:
        self.recipe, self.dilation_mm = recipe, dilation_mm
        self.network = network.to(device)
        self._sampler = PatchSampler(recipe, device)

    def __call__(self, case: TrainingCase) -> NDArray[np.bool_]:
        prepared = PreparedCase(
            **prepare_case(_renamed(case, self.recipe), self.recipe, whole=True)
        )
        place, votes = soft_vote([self.network], self._sampler, prepared)
        marked = np.zeros(case.hu.shape, bool)
        for slab, probabilities in on_voxels(votes, place, prepared):
            marked[slab] = (probabilities.argmax(dim=0) > 0).cpu().numpy()
        return dilated(marked, case, self.dilation_mm)


def dilated(mask: NDArray[np.bool_], case: TrainingCase, reach_mm: float) -> NDArray[np.bool_]:
    """The mask (z, y, x) and all within `reach_mm` of it."""
    if reach_mm == 0 or not mask.any():
        return mask
    distance_mm = ndimage.distance_transform_edt(~mask, sampling=case.spacing_zyx_mm)
    return np.asarray(distance_mm <= reach_mm)


def _renamed(case: TrainingCase, recipe: Recipe) -> TrainingCase:
    """The case without labels, as the coarse recipe may know other structures."""
    names = recipe.structure_names
    return TrainingCase(
        case.name,
        case.hu,
        np.zeros(case.hu.shape, np.uint8),
        case.spacing_zyx_mm,
        np.array([True] + [False] * len(names)),
        names,
    )
