"""The systems that are shipped, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("torch", reason="needs the training extra")

from models.bundles import RELEASED, read_bundle
from models.export.onnx_export import ExportError
from models.export.system_file import read_system, shipped_systems
from models.training.recipe_file import read_recipe
from tests.models.export.made_runs import BOX, SYSTEM


def test_every_system_of_the_table_is_shipped() -> None:
    """One for each of the papers and baselines, the release, and the abdomen."""
    assert set(shipped_systems()) == {
        "3d-msf",
        "abdomen",
        "dynunet",
        "hn-oar",
        "lyu",
        "mcfnet",
        "oarfocalfusenet",
        "roth",
        "swinunetr",
        "unet",
    }


@pytest.mark.parametrize("name", shipped_systems())
def test_a_shipped_system_names_recipes_of_its_stages(name: str) -> None:
    """Whoever reads the system must find how its networks are trained."""
    system = read_system(name)

    stages = {"segmenter": system.segmenter, "localizer": system.localizer}
    named = {stage: part.recipe for stage, part in stages.items() if part is not None}
    assert {stage: read_recipe(recipe).stage for stage, recipe in named.items()} == {
        stage: stage for stage in named
    }
    assert system.name == name


def test_the_release_is_exported_as_its_card_says() -> None:
    """What was measured and set by hand would be lost with the next export."""
    system, card = read_system("hn-oar"), read_bundle(RELEASED / "hn-oar").card

    assert system.localizer is not None
    assert card.localizer is not None
    for name in ("narrowing", "margin_mm", "minimum_component_cm3", "crops_to_body"):
        assert getattr(system.localizer, name) == getattr(card.localizer, name), name
    assert system.segmenter.longest_window == card.segmenter.longest_window
    assert (system.intended_use.strip(), system.anchors) == (card.intended_use, card.anchors)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("segmenter", {}, "segmenter.recipe: Field required"),
        ("version", "2", "version: String should match"),
        ("licence", "", "licence: "),
        ("localizer", BOX | {"margin_mm": None}, "a box takes margin_mm"),
        ("localizer", BOX | {"dilation_mm": 3.0}, "a mask dilation_mm"),
        ("author", "me", "author: Extra inputs"),
    ],
)
def test_a_wrong_system_names_its_file_and_field(
    field: str, value: object, reason: str, tmp_path: Path
) -> None:
    """It is written by hand, once, and then forgotten."""
    path = tmp_path / "made.yaml"
    path.write_text(yaml.safe_dump(SYSTEM | {field: value}))

    with pytest.raises(ExportError, match=reason) as refusal:
        read_system(path)

    assert str(path) in str(refusal.value)


def test_an_unknown_system_is_answered_with_those_there_are() -> None:
    """A slip of the pen should cost one look."""
    with pytest.raises(ExportError, match=r"no system 'lyo'.*lyu"):
        read_system("lyo")
