"""The model card: what is missing, unknown or impossible is refused by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from models.card import ModelCard
from tests.models.bundle_files import Card, plain_card

Spoil = Callable[[Card], object]


def localizer(**values: Any) -> Card:
    """A localizer's part of a card."""
    return {
        **plain_card()["segmenter"],
        "margin_mm": [10, 10, 10],
        "minimum_component_cm3": 1.0,
        **values,
    }


def structure(**values: Any) -> Card:
    """A second structure."""
    return {"label": 2, "name": "Skin", "colour": [0, 0, 0], **values}


def test_a_plain_card_is_taken_with_its_defaults() -> None:
    """Whoever writes a bundle names only what is not usual."""
    card = ModelCard.model_validate(plain_card())

    assert card.localizer is None
    assert (card.segmenter.input.name, card.segmenter.output.name) == ("image", "logits")
    assert card.segmenter.overlap == 0
    assert card.structures[0].components == 1
    assert card.structures[0].interpreted_type == "ORGAN"


FAULTS: dict[str, tuple[Spoil, str]] = {
    "unknown field": (lambda c: c.update(author="me"), "author"),
    "unknown stage field": (lambda c: c["segmenter"].update(stride=2), "segmenter.stride"),
    "unknown structure field": (
        lambda c: c["structures"][0].update(alpha=1),
        "structures.0.alpha",
    ),
    "later format": (lambda c: c.update(format=2), "format"),
    "no licence": (lambda c: c.pop("licence"), "licence"),
    "empty intended use": (lambda c: c.update(intended_use=""), "intended_use"),
    "name with a slash": (lambda c: c.update(name="../plain"), "name"),
    "version of two parts": (lambda c: c.update(version="1.0"), "version"),
    "artifact in another folder": (
        lambda c: c["segmenter"].update(artifact="../net.onnx"),
        "segmenter.artifact",
    ),
    "pickle": (lambda c: c["segmenter"].update(artifact="net.pt"), "segmenter.artifact"),
    "short checksum": (lambda c: c["segmenter"].update(sha256="abc"), "segmenter.sha256"),
    "other axes": (
        lambda c: c["segmenter"].update(input={"name": "image", "axes": "xyz"}),
        "segmenter.input.axes",
    ),
    "no sampling": (lambda c: c["segmenter"].pop("spacing_mm"), "either spacing_mm"),
    "two samplings": (lambda c: c["segmenter"].update(shape=[8, 16, 16]), "either spacing_mm"),
    "spacing of zero": (
        lambda c: c["segmenter"].update(spacing_mm=[0, 1, 1]),
        "segmenter.spacing_mm",
    ),
    "spacing that is no number": (
        lambda c: c["segmenter"].update(spacing_mm=[float("nan"), 1, 1]),
        "segmenter.spacing_mm",
    ),
    "window that halves badly": (
        lambda c: c["segmenter"].update(window=[8, 16, 20]),
        "not a multiple of 8",
    ),
    "window of nothing": (lambda c: c["segmenter"].update(window=[0, 8, 8]), "window"),
    "overlap of all": (lambda c: c["segmenter"].update(overlap=1.0), "segmenter.overlap"),
    "intensities upside down": (
        lambda c: c["segmenter"].update(intensity={"hu_range": [300, -100]}),
        "must ascend",
    ),
    "intensities without end": (
        lambda c: c["segmenter"].update(intensity={"hu_range": [-100, float("inf")]}),
        "hu_range",
    ),
    "intensities that are no number": (
        lambda c: c["segmenter"].update(intensity={"hu_range": [float("nan"), 1]}),
        "hu_range",
    ),
    "no structures": (lambda c: c.update(structures=[]), "structures"),
    "label left out": (lambda c: c["structures"][0].update(label=2), "labels 1, 2, 3"),
    "names that differ by case": (
        lambda c: c["structures"].append(structure(name="BONE")),
        "more than case",
    ),
    "long name": (lambda c: c["structures"][0].update(name="B" * 17), "structures.0.name"),
    "name with a space": (lambda c: c["structures"][0].update(name="A B"), "structures.0.name"),
    "name with a backslash": (
        lambda c: c["structures"][0].update(name="A\\B"),
        "structures.0.name",
    ),
    "colour beyond 255": (
        lambda c: c["structures"][0].update(colour=[0, 0, 256]),
        "structures.0.colour.2",
    ),
    "kind that a model may not set": (
        lambda c: c["structures"][0].update(interpreted_type="GTV"),
        "structures.0.interpreted_type",
    ),
    "localizer without margin": (
        lambda c: c.update(localizer={k: v for k, v in localizer().items() if k != "margin_mm"}),
        "narrowing by box needs margin_mm",
    ),
    "mask without reach": (
        lambda c: c.update(localizer=localizer(narrowing="mask")),
        "narrowing by mask needs dilation_mm",
    ),
    "two narrowings": (
        lambda c: c.update(localizer=localizer(dilation_mm=5.0)),
        "narrowing by box takes margin_mm, not dilation_mm",
    ),
    "localizer of background alone": (
        lambda c: c.update(localizer=localizer(channels=1)),
        "localizer.channels",
    ),
    "percentiles upside down": (
        lambda c: c["segmenter"].update(intensity={"percentiles": [95, 5]}),
        "segmenter.intensity.percentiles: Value error, a range must ascend",
    ),
    "percentile beyond 100": (
        lambda c: c["segmenter"].update(intensity={"percentiles": [5, 101]}),
        "segmenter.intensity.percentiles.percentiles.1",
    ),
    "two kinds of intensity": (
        lambda c: c["segmenter"].update(intensity={"hu_range": [0, 1], "percentiles": [5, 95]}),
        "segmenter.intensity.percentiles.hu_range",
    ),
    "axis of unknown spacing": (
        lambda c: c["segmenter"].update(spacing_mm=["own", 2, 2]),
        "segmenter.spacing_mm",
    ),
    "slice that halves badly": (
        lambda c: c["segmenter"].update(window=[1, 16, 20]),
        "not a multiple of 8",
    ),
    "no parts at all": (
        lambda c: c["structures"][0].update(components=0),
        "structures.0.components",
    ),
    "parts of no size": (
        lambda c: c["structures"][0].update(minimum_cm3=-1),
        "structures.0.minimum_cm3",
    ),
    "touching what is not there": (
        lambda c: c["structures"][0].update(touches=["Liver"]),
        "Bone touches Liver: name structures of this card",
    ),
    "touching itself": (
        lambda c: c["structures"][0].update(touches=["Bone"]),
        "Bone touches Bone",
    ),
    "touching what touches": (
        lambda c: (
            c["structures"][0].update(touches=["Skin"]),
            c["structures"].append(structure(touches=["Bone"])),
        ),
        "that have no touches of their own",
    ),
    "export without its tolerance": (
        lambda c: c["segmenter"].update(export={"exporter": "PyTorch 2.11", "operator_set": 20}),
        "segmenter.export.tolerance",
    ),
    "own voxels beside nothing asked for": (
        lambda c: c["segmenter"].update(spacing_mm="native", own_within=1.4),
        "own_within needs spacing_mm",
    ),
    "own voxels twice as wide": (
        lambda c: c["segmenter"].update(spacing_mm=[2, 2, 2], own_within=2),
        "segmenter.own_within",
    ),
    "windows that shrink": (
        lambda c: c["segmenter"].update(longest_window=[8, 8, 16]),
        "longest_window",
    ),
    "windows that grow by odd steps": (
        lambda c: c["segmenter"].update(multiple_of=8, longest_window=[8, 16, 20]),
        "by multiples of 8",
    ),
    "a mask of the body's box": (
        lambda c: c.update(
            localizer=localizer(
                narrowing="mask", margin_mm=None, dilation_mm=5.0, crops_to_body=True
            )
        ),
        "narrowing by a box",
    ),
    "a crop beside a localizer": (
        lambda c: (c.update(localizer=localizer()), c["segmenter"].update(crops_to_body=True)),
        "goes without a localizer",
    ),
    "an anchor that is not there": (
        lambda c: c.update(anchors=["Liver"]),
        "Liver is no structure of this card",
    ),
    "margin inwards": (
        lambda c: c.update(localizer=localizer(margin_mm=[-5, 5, 5])),
        "localizer.margin_mm",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_card_is_refused_by_name(fault: str) -> None:
    """A model that is not what its card says would contour something else."""
    spoil, place = FAULTS[fault]
    card = plain_card()
    spoil(card)

    with pytest.raises(ValidationError) as refusal:
        ModelCard.model_validate(card)

    said = [
        ".".join(map(str, error["loc"])) + ": " + error["msg"] for error in refusal.value.errors()
    ]
    assert any(place in line for line in said), said


def test_a_localizer_of_given_shape_is_taken() -> None:
    """It sees the whole scan in one window."""
    card = plain_card()
    card["localizer"] = localizer(shape=[8, 16, 16])
    del card["localizer"]["spacing_mm"]

    taken = ModelCard.model_validate(card)

    assert taken.localizer is not None
    assert taken.localizer.shape == (8, 16, 16)
    assert taken.localizer.margin_mm == (10, 10, 10)


def test_a_stage_of_one_slice_is_taken() -> None:
    """A network of two dimensions halves its rows and columns, not its one slice."""
    card = plain_card()
    card["segmenter"].update(spacing_mm=["native", 2.0, 2.0], window=[1, 16, 16])

    taken = ModelCard.model_validate(card)

    assert taken.segmenter.spacing_mm == ("native", 2.0, 2.0)
    assert taken.segmenter.window == (1, 16, 16)


def test_a_localizer_that_narrows_by_mask_is_taken() -> None:
    """It needs no margin."""
    card = plain_card()
    card["localizer"] = localizer(narrowing="mask", dilation_mm=3.0, channels=8)
    del card["localizer"]["margin_mm"]

    taken = ModelCard.model_validate(card)

    assert taken.localizer is not None
    assert (taken.localizer.channels, taken.localizer.dilation_mm) == (8, 3.0)


def test_a_tumour_s_rules_and_how_its_graph_was_made_are_taken() -> None:
    """Of any number of parts, those that touch an organ."""
    card = plain_card()
    card["structures"].append(structure(components="all", minimum_cm3=0.1, touches=["Bone"]))
    card["segmenter"]["export"] = {
        "exporter": "PyTorch 2.11 dynamo",
        "operator_set": 20,
        "precision": "float32",
        "tolerance": 1e-3,
        "largest_difference": 2e-5,
        "argmax_mismatch": 0.0,
    }

    taken = ModelCard.model_validate(card)

    assert taken.structures[1].components == "all"
    assert taken.structures[1].touches == ("Bone",)
    assert taken.segmenter.export is not None
    assert taken.segmenter.export.operator_set == 20
