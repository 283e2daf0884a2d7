"""What trained networks answer for a whole training case, brought back to the case's own voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.patch_places import Place, whole_place
from models.training.patches import PatchSampler
from models.training.prepared_cases import PreparedCase
from models.training.validation import autocast, build_inferer

SLICES_AT_ONCE = 16


@torch.no_grad()
def soft_vote(
    networks: Sequence[nn.Module], sampler: PatchSampler, case: PreparedCase
) -> tuple[Place, Tensor]:
    """Where the samples lie, and the mean of the networks' probabilities there (C, z, y, x)."""
    recipe = sampler.recipe
    place = whole_place(recipe, case)
    image = sampler.whole(case, place).image[None]
    infer = build_inferer(recipe)
    votes = []
    for network in networks:
        network.eval()
        with autocast(sampler.device, recipe.precision):
            logits = infer(image, network)
        votes.append(torch.softmax(logits[0].float(), dim=0))
    return place, torch.stack(votes).mean(dim=0)


def on_voxels(values: Tensor, place: Place, case: PreparedCase) -> Iterator[tuple[slice, Tensor]]:
    """`values` (C, z, y, x) at the samples, interpolated at the case's voxels, a slab at a time."""
    axes = []
    for axis, samples in enumerate(place.shape_zyx):
        index = place.sample_index(case, axis).to(values.device)
        axes.append((2 * index + 1) / samples - 1)  # of grid_sample, align_corners=False
    for start in range(0, case.shape_zyx[0], SLICES_AT_ONCE):
        slab = slice(start, min(start + SLICES_AT_ONCE, case.shape_zyx[0]))
        z, y, x = torch.meshgrid(axes[0][slab], axes[1], axes[2], indexing="ij")
        grid = torch.stack((x, y, z), dim=-1)[None]
        # Beyond the outermost samples their value holds.
        yield (
            slab,
            functional.grid_sample(values[None], grid, padding_mode="border", align_corners=False)[
                0
            ],
        )
