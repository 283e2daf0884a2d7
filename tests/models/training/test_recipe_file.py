"""Recipes: what ships, what they share, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from models.training.recipe_file import (
    RecipeError,
    overridden,
    read_recipe,
    shipped_recipes,
    write_recipe,
)
from tests.models.phantom_recipes import phantom_recipe

# Lyu et al., section 3.1: thirteen organs, and tumours.
ORGANS = {
    "Liver",
    "Kidney_R",
    "Spleen",
    "Pancreas",
    "A_Aorta",
    "V_Venacava_I",
    "Glnd_Adrenal_R",
    "Glnd_Adrenal_L",
    "Gallbladder",
    "Esophagus",
    "Stomach",
    "Duodenum",
    "Kidney_L",
}


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_shipped_recipe_reads_under_its_own_name(name: str) -> None:
    """It is called by the name of its file, and runs are told apart by the name in it."""
    assert read_recipe(name).name == name


def test_every_network_of_the_papers_and_every_baseline_has_a_recipe() -> None:
    """Each is to be trained by one documented command."""
    trained = {read_recipe(name).network.name for name in shipped_recipes()}

    assert trained == {
        "3d-msf",
        "cascaded-fcn",
        "dynunet",
        "mcfnet",
        "oarfocalfusenet",
        "pconv-localizer",
        "residual-unet",
        "scale-aware-segmenter",
        "swinunetr",
        "unet",
    }


def test_the_abdomen_recipes_are_the_papers() -> None:
    """Lyu et al., sections 2.1 and 2.3 and table 2."""
    localizer, segmenter = read_recipe("abdomen-localizer"), read_recipe("abdomen-segmenter")
    *organs, tumour = segmenter.structures

    assert localizer.shape == (128, 128, 128)
    assert segmenter.spacing_mm == (2.0, 1.5, 1.5)
    assert segmenter.patch == (96, 96, 96)
    assert segmenter.sampling.foreground_share == 0.75  # three to one
    assert segmenter.intensity.model_dump() == {"percentiles": (5.0, 95.0)}
    assert {organ.name for organ in organs} == ORGANS
    assert all(organ.components == 1 and organ.code is not None for organ in organs)
    assert tumour.components == "all"
    assert set(tumour.touches) == ORGANS
    assert localizer.structures == segmenter.structures


def test_the_zoo_is_trained_on_one_budget() -> None:
    """A table of networks compares them only if each saw as much as the others."""
    zoo = ("lyu-segmenter", "oarfocalfusenet", "3d-msf", "roth-fine", "unet", "dynunet")
    budgets = {(r.steps, r.batch, r.patch, r.spacing_mm) for r in map(read_recipe, zoo)}

    assert budgets == {(1000, 1, (64, 64, 64), "native")}
    assert read_recipe("swinunetr").steps == read_recipe("mcfnet").steps == 1000


def test_a_recipe_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """A run keeps its recipe, whole: what it extends may change in the next release."""
    recipe = read_recipe("abdomen-segmenter")

    write_recipe(recipe, tmp_path / "recipe.yaml")

    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    assert "extends" not in (tmp_path / "recipe.yaml").read_text()


def test_a_recipe_may_extend_a_shipped_one(tmp_path: Path) -> None:
    """A site changes what it wants changed: single fields of a group, or a group as a whole."""
    own = {
        "extends": "hn-oar-segmenter",
        "name": "ours",
        "intensity": {"percentiles": [5, 95]},
        "augmentation": {"fill": 0.0},
    }
    (tmp_path / "ours.yaml").write_text(yaml.safe_dump(own))

    recipe, shipped = read_recipe(tmp_path / "ours.yaml"), read_recipe("hn-oar-segmenter")

    assert recipe.name == "ours"
    assert recipe.intensity.model_dump() == {"percentiles": (5.0, 95.0)}
    assert recipe.augmentation.fill == 0.0
    assert recipe.augmentation.flips == shipped.augmentation.flips
    assert recipe.network == shipped.network


def test_recipes_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    """Not followed for ever."""
    (tmp_path / "a.yaml").write_text("extends: b")
    (tmp_path / "b.yaml").write_text("extends: a")

    with pytest.raises(RecipeError, match=r"a\.yaml: extends itself by way of .*b\.yaml"):
        read_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stepz": 3}, "stepz: Extra inputs"),
        ({"steps": 0}, "steps: Input should be greater"),
        ({"patch": [64, 48, 50]}, "patch .* is not a multiple of 16"),
        ({"spacing_mm": None}, "give either spacing_mm"),
        ({"shape": [64, 64, 64], "spacing_mm": None}, "must be shape"),
        ({"spacing_mm": "native", "own_within": 1.4}, "own_within needs spacing_mm"),
        ({"binary": True}, "loss.kind region and binary"),
        ({"sampling": {"emphasis": {"Liver": 2}}}, "sampling.emphasis: Liver is no structure"),
        ({"loss": {"voxel_weights": {"Liver": 2}}}, "loss.voxel_weights: Liver is no structure"),
        ({"structures": [{"label": 2, "name": "A", "colour": [0, 0, 0]}]}, "labels 1, 2, 3"),
        ({"structures": [{"label": 1, "name": "A_R", "colour": [0, 0, 0]}]}, "A_R has no A_L"),
    ],
)
def test_a_wrong_recipe_is_refused_with_file_and_field(
    tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    """Found before hours of training, and said so that it can be mended."""
    path = tmp_path / "ours.yaml"
    path.write_text(yaml.safe_dump({"extends": "hn-oar-segmenter"} | fields))

    with pytest.raises(RecipeError, match=rf"ours\.yaml: .*{said}"):
        read_recipe(path)


@pytest.mark.parametrize(("text", "said"), [("- a", "must hold fields"), ("a: [", "not YAML")])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """Whatever was given by mistake."""
    (tmp_path / "ours.yaml").write_text(text)

    with pytest.raises(RecipeError, match=said):
        read_recipe(tmp_path / "ours.yaml")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """A typing error is the likeliest reason."""
    with pytest.raises(RecipeError, match=r"no recipe 'unett'.* swinunetr, unet"):
        read_recipe("unett")


def test_values_of_the_command_line_win_and_are_checked() -> None:
    """None means as the recipe has it."""
    recipe = phantom_recipe()

    changed = overridden(recipe, steps=7, seed=None)

    assert (changed.steps, changed.seed) == (7, recipe.seed)
    with pytest.raises(ValueError, match="steps"):
        overridden(recipe, steps=0)
