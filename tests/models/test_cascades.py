"""From a bundle to a cascade."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contouring.errors import InvalidBundleError
from contouring.structures import CodedConcept
from models.bundles import RELEASED, read_bundle
from models.cascades import open_cascade
from tests.models.bundle_files import Card, build_graph, write_bundle


def with_localizer(card: Card) -> None:
    """The same graph as localizer and segmenter, of which the first sees 4 mm."""
    card["localizer"] = {
        **card["segmenter"],
        "spacing_mm": [4.0, 3.0, 2.0],
        "margin_mm": [9, 8, 7],
        "minimum_component_cm3": 2.5,
    }


def test_the_card_s_words_become_the_recipe(tmp_path: Path) -> None:
    """Axis order and units must survive the crossing."""
    bundle = read_bundle(write_bundle(tmp_path / "plain", spoil=with_localizer))

    cascade = open_cascade(bundle, threads=1)

    assert (cascade.name, cascade.version, cascade.checksum) == ("plain", "1.0.0", bundle.checksum)
    assert cascade.localizer is not None
    assert cascade.localizer.stage.spacing_zyx_mm == (4.0, 3.0, 2.0)
    assert cascade.localizer.rule.margin_zyx_mm == (9, 8, 7)
    assert cascade.localizer.rule.minimum_component_cm3 == 2.5
    assert cascade.segmenter.stage.spacing_zyx_mm is None
    assert cascade.segmenter.stage.shape_zyx is None
    assert cascade.segmenter.stage.window_zyx == (8, 16, 16)
    assert cascade.segmenter.stage.multiple_of == 8
    assert cascade.segmenter.stage.intensity.hu_range == (-100, 300)
    assert "ONNX Runtime" in cascade.runtime


def test_structures_keep_names_colours_and_codes(tmp_path: Path) -> None:
    """They are written into every structure set."""

    def coded(card: Card) -> None:
        code = {"value": "45289007", "scheme": "SCT", "meaning": "Parotid gland"}
        card["structures"][0].update(code=code, components=2, interpreted_type="")

    cascade = open_cascade(read_bundle(write_bundle(tmp_path / "plain", spoil=coded)))

    (structure,) = cascade.structures
    assert (structure.label, structure.name, structure.colour_rgb) == (1, "Bone", (255, 0, 0))
    assert structure.code == CodedConcept("45289007", "SCT", "Parotid gland")
    assert structure.laterality is None
    assert (structure.components, structure.interpreted_type) == (2, "")


def test_both_networks_answer(tmp_path: Path) -> None:
    """A cascade that is open is ready to run."""
    bundle = read_bundle(write_bundle(tmp_path / "plain", spoil=with_localizer))
    window = np.ones((8, 16, 16), np.float32)

    cascade = open_cascade(bundle, threads=1)

    assert cascade.localizer is not None
    assert cascade.localizer.predictor.predict(window).shape == (2, 8, 16, 16)
    assert cascade.segmenter.predictor.predict(window).shape == (2, 8, 16, 16)


def test_a_segmenter_needs_a_channel_for_each_structure_and_the_background(tmp_path: Path) -> None:
    """A structure too many would be drawn from nothing."""

    def one_more(card: Card) -> None:
        card["structures"].append({"label": 2, "name": "Skin", "colour": [0, 0, 0]})

    bundle = read_bundle(write_bundle(tmp_path / "plain", spoil=one_more))

    with pytest.raises(InvalidBundleError, match=r"\[1, 3, 8, 16, 16\]"):
        open_cascade(bundle)


def test_a_localizer_has_two_channels(tmp_path: Path) -> None:
    """Inside against outside."""

    def three(card: Card) -> None:
        with_localizer(card)
        card["structures"].append({"label": 2, "name": "Skin", "colour": [0, 0, 0]})

    bundle = read_bundle(write_bundle(tmp_path / "plain", build_graph(3), three))

    with pytest.raises(InvalidBundleError, match=r"\[1, 2, 8, 16, 16\]"):
        open_cascade(bundle)


@pytest.mark.parametrize("folder", sorted(RELEASED.iterdir()), ids=lambda folder: folder.name)
def test_every_released_bundle_opens(folder: Path) -> None:
    """They ship with the product."""
    cascade = open_cascade(read_bundle(folder), threads=1)

    assert cascade.name == folder.name
    assert cascade.structures
