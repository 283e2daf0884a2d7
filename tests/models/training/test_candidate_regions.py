"""The voxels that a cascade's networks learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the training extra")

from torch import nn  # noqa: E402 - torch may be missing outside CI

from contouring.rasters import dice  # noqa: E402
from models.training.candidate_regions import (  # noqa: E402
    BodyMarker,
    CoarseMarker,
    build_marker,
)
from models.training.cases import AIR_HU, TrainingCase  # noqa: E402
from models.training.recipe_file import RecipeError  # noqa: E402
from models.training.runs import save_progress, start_run  # noqa: E402
from tests.models.phantom_recipes import STRUCTURES, phantom_recipe  # noqa: E402

CPU = torch.device("cpu")


def made_case() -> TrainingCase:
    """A block of tissue with a hole of air, and a small thing beside it."""
    hu = np.full((12, 20, 20), AIR_HU, np.int16)
    hu[:, 4:16, 4:16] = 40
    hu[:, 8:10, 8:10] = AIR_HU
    hu[:, 0:2, 0:2] = 40
    nothing = np.zeros(hu.shape, np.uint8)
    return TrainingCase(
        "made", hu, nothing, (3.0, 4.0, 4.0), np.array([True, False, False, False]), STRUCTURES
    )


def test_the_body_is_the_largest_part_with_what_it_encloses() -> None:
    """A windpipe belongs to the patient, a couch does not."""
    mask = BodyMarker(0.0)(made_case())

    expected = np.zeros((12, 20, 20), bool)
    expected[:, 4:16, 4:16] = True
    assert np.array_equal(mask, expected)


def test_a_region_is_dilated_in_millimetres() -> None:
    """One voxel of 4 mm fits into 5 mm, and one of 3 mm."""
    mask = BodyMarker(5.0)(made_case())

    assert mask[0, 3, 8]
    assert not mask[0, 2, 8]
    assert not mask[0, 3, 3]  # 5.7 mm away across the corner


def test_what_the_coarse_network_marks_is_learned_from() -> None:
    """At the case's own voxels, though the network sees it at its own spacing."""
    coarse = phantom_recipe(
        stage="localizer",
        spacing_mm=[6.0, 8.0, 8.0],
        patch=[8, 12, 12],
        intensity={"hu_range": [-1024.0, 1024.0]},  # half of a sample in air is -0.5
    )
    case = made_case()

    mask = CoarseMarker(coarse, MarksTissue(), 0.0, CPU)(case)

    assert mask.shape == case.hu.shape
    assert dice(mask, case.hu > AIR_HU) > 0.8


class MarksTissue(nn.Module):
    """Says Brainstem wherever there is no air."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([-image - 0.5, image + 0.5, image - 9, image - 9], dim=1)


def test_a_run_s_network_marks_what_it_was_trained_to(tmp_path: Path) -> None:
    """It is found by its folder, and sees a case by its own recipe."""
    coarse = phantom_recipe(
        network={"name": "residual-unet", "arguments": {"widths": [4, 6]}}, patch=[8, 12, 12]
    )
    progress = start_run(coarse, tmp_path / "coarse", CPU)
    head = progress.average.module.head
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    save_progress(progress, tmp_path / "coarse", 0)

    marker = build_marker(phantom_recipe(candidate={"region": "coarse"}), tmp_path / "coarse", CPU)

    assert marker is not None
    assert marker(made_case()).all()


def test_without_the_coarse_network_the_second_is_not_trained() -> None:
    """It would learn from a region that it is never shown later."""
    recipe = phantom_recipe(candidate={"region": "coarse"})

    with pytest.raises(RecipeError, match="give its run with --coarse"):
        build_marker(recipe, None, CPU)


def test_without_a_candidate_region_everything_is_learned_from() -> None:
    """As most recipes have it."""
    assert build_marker(phantom_recipe(), None, CPU) is None
