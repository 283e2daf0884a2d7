"""Small bundles on disk, whole or with one fault."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import yaml
from onnx import TensorProto, helper

Card = dict[str, Any]


def build_graph(
    channels: int = 2,
    shape: tuple[int | str, int | str, int | str] = ("z", "y", "x"),
    element: int = TensorProto.FLOAT,
    batch: int | str = 1,
) -> onnx.ModelProto:
    """Channel k is k times the image."""
    weights = helper.make_tensor(
        "weights", element, [1, channels, 1, 1, 1], [float(k) for k in range(channels)]
    )
    graph = helper.make_graph(
        [helper.make_node("Mul", ["image", "weights"], ["logits"])],
        "threshold",
        [helper.make_tensor_value_info("image", element, [batch, 1, *shape])],
        [helper.make_tensor_value_info("logits", element, [batch, channels, *shape])],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def plain_card() -> Card:
    """The least a card must say, with one structure and no localizer."""
    return {
        "format": 1,
        "name": "plain",
        "version": "1.0.0",
        "intended_use": "Tests.",
        "licence": "Apache-2.0",
        "training_data": "None.",
        "evaluation": "None.",
        "segmenter": {
            "artifact": "net.onnx",
            "sha256": "0" * 64,
            "spacing_mm": "native",
            "window": [8, 16, 16],
            "multiple_of": 8,
            "intensity": {"hu_range": [-100, 300], "output_range": [-100, 300]},
        },
        "structures": [{"label": 1, "name": "Bone", "colour": [255, 0, 0]}],
    }


def write_bundle(
    folder: Path,
    graph: onnx.ModelProto | None = None,
    spoil: Callable[[Card], object] = lambda _: None,
) -> Path:
    """A bundle of one graph; `spoil` changes the card after its checksum was set."""
    folder.mkdir(parents=True)
    content = (graph or build_graph()).SerializeToString()
    (folder / "net.onnx").write_bytes(content)
    card = plain_card()
    card["segmenter"]["sha256"] = hashlib.sha256(content).hexdigest()
    spoil(card)
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder
