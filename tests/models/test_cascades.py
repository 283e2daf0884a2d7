"""From a bundle to a cascade."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contouring.errors import InvalidBundleError
from contouring.recipe import IntensityRule, MaskRule, PercentileRule, RoiRule
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
    assert cascade.localizer.rule == RoiRule((9, 8, 7), 2.5)
    assert cascade.segmenter.stage.spacing_zyx_mm is None
    assert cascade.segmenter.stage.shape_zyx is None
    assert cascade.segmenter.stage.window_zyx == (8, 16, 16)
    assert cascade.segmenter.stage.multiple_of == 8
    assert cascade.segmenter.stage.intensity == IntensityRule((-100, 300), (-100, 300))
    assert "OpenVINO" in cascade.runtime


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


def test_the_rules_on_parts_reach_the_structures(tmp_path: Path) -> None:
    """A tumour that is left out, or not, is the card's decision."""

    def with_tumour(card: Card) -> None:
        card["structures"].append(
            {
                "label": 2,
                "name": "Tumour",
                "colour": [0, 0, 0],
                "components": "all",
                "minimum_cm3": 0.2,
                "touches": ["Bone"],
            }
        )

    bundle = read_bundle(write_bundle(tmp_path / "plain", build_graph(3), with_tumour))

    organ, tumour = open_cascade(bundle).structures
    assert (organ.components, organ.minimum_cm3, organ.touches) == (1, 0.0, ())
    assert (tumour.components, tumour.minimum_cm3, tumour.touches) == (None, 0.2, ("Bone",))


def test_a_cascade_narrows_by_mask_where_its_card_says_so(tmp_path: Path) -> None:
    """The first network may know several organs; all of them are the region."""

    def by_mask(card: Card) -> None:
        with_localizer(card)
        card["structures"].append({"label": 2, "name": "Skin", "colour": [0, 0, 0]})
        del card["localizer"]["margin_mm"]
        card["localizer"].update(channels=3, narrowing="mask", dilation_mm=6.0)

    bundle = read_bundle(write_bundle(tmp_path / "plain", build_graph(3), by_mask))

    cascade = open_cascade(bundle, threads=1)

    assert cascade.localizer is not None
    assert cascade.localizer.rule == MaskRule(6.0, 2.5)
    windows = np.ones((1, 8, 16, 16), np.float32)
    assert cascade.localizer.predictor.predict(windows).shape == (1, 3, 8, 16, 16)


@pytest.mark.parametrize(
    ("given", "spacing"),
    [
        ([2.0, "native", 1.0], (2.0, None, 1.0)),
        (["native", 2.0, 2.0], (None, 2.0, 2.0)),
        (["native", "native", "native"], None),
    ],
)
def test_an_axis_of_its_own_spacing_stays_so(
    tmp_path: Path, given: list[object], spacing: tuple[float | None, ...] | None
) -> None:
    """A network of two dimensions sees every slice of a scan, wherever it lies."""

    def spaced(card: Card) -> None:
        card["segmenter"]["spacing_mm"] = given

    cascade = open_cascade(read_bundle(write_bundle(tmp_path / "plain", spoil=spaced)))

    assert cascade.segmenter.stage.spacing_zyx_mm == spacing


def test_percentiles_reach_the_stage(tmp_path: Path) -> None:
    """They are another rule, not another range."""

    def by_percentile(card: Card) -> None:
        card["segmenter"]["intensity"] = {"percentiles": [5, 95]}

    cascade = open_cascade(read_bundle(write_bundle(tmp_path / "plain", spoil=by_percentile)))

    assert cascade.segmenter.stage.intensity == PercentileRule((5.0, 95.0))


def test_both_networks_answer(tmp_path: Path) -> None:
    """A cascade that is open is ready to run."""
    bundle = read_bundle(write_bundle(tmp_path / "plain", spoil=with_localizer))
    windows = np.ones((1, 8, 16, 16), np.float32)

    cascade = open_cascade(bundle, threads=1)

    assert cascade.localizer is not None
    assert cascade.localizer.predictor.predict(windows).shape == (1, 2, 8, 16, 16)
    assert cascade.segmenter.predictor.predict(windows).shape == (1, 2, 8, 16, 16)


def test_a_segmenter_needs_a_channel_for_each_structure_and_the_background(tmp_path: Path) -> None:
    """A structure too many would be drawn from nothing."""

    def one_more(card: Card) -> None:
        card["structures"].append({"label": 2, "name": "Skin", "colour": [0, 0, 0]})

    bundle = read_bundle(write_bundle(tmp_path / "plain", spoil=one_more))

    with pytest.raises(InvalidBundleError, match=r"\[1, 3, 8, 16, 16\]"):
        open_cascade(bundle)


def test_a_localizer_has_two_channels_unless_its_card_says_more(tmp_path: Path) -> None:
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
