"""Build the `commissioning` bundle: `python -m models.export.commissioning [FOLDER]`.

The network is arithmetic, not training: it reads from each voxel's HU the signed field that the
phantom encoded there (`contouring.phantom`), so its fields and their contours are known in closed
form. Built again, the files are the same byte for byte.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from contouring.phantom import BONE_HU, FIELD_LIMIT_MM, HEAD_AND_NECK, HU_PER_MM, PhantomStructure

ARTIFACT = "fields.onnx"
LOCALIZER_ARTIFACT = "capsules.onnx"
VERSION = "1.0.0"
RELEASED_FOLDER = Path(__file__).resolve().parent.parent / "released" / "commissioning"

# Operators of set 17 are known to every ONNX Runtime since 1.12; IR version 8 belongs to it.
OPERATOR_SET = 17
IR_VERSION = 8
# Rounding to whole HU moves a value by half a unit; 24 HU lie between two bands.
BAND_TOLERANCE_MM = 1.0 / HU_PER_MM

# Network input is HU itself: the card's intensity rule maps this range onto itself.
HU_RANGE = (-1024, 3071)


def build_network(structures: tuple[PhantomStructure, ...]) -> onnx.ModelProto:
    """ONNX graph from "image" (1, 1, z, y, x) float32 HU to "logits" (1, 1 + n, z, y, x) float32.

    Logit 0 is the background and always 0. Logit k is structure k's field in mm, clipped to
    +-FIELD_LIMIT_MM, where the voxel's HU lies in its band, and -FIELD_LIMIT_MM elsewhere.
    """
    middles = np.array([found.band_middle_hu for found in structures], dtype=np.float32)
    constants = {
        "middles_hu": middles.reshape(1, -1, 1, 1, 1),
        "hu_per_mm": np.float32(HU_PER_MM),
        "lowest_mm": np.float32(-FIELD_LIMIT_MM),
        "highest_mm": np.float32(FIELD_LIMIT_MM),
        "above_band_mm": np.float32(FIELD_LIMIT_MM + BAND_TOLERANCE_MM),
        "zero": np.float32(0.0),
    }
    nodes = [
        helper.make_node("Sub", ["image", "middles_hu"], ["hu_from_middle"]),
        helper.make_node("Div", ["hu_from_middle", "hu_per_mm"], ["unclipped_mm"]),
        # Below the band the clip alone gives the lowest value; above it the choice does.
        helper.make_node("Clip", ["unclipped_mm", "lowest_mm", "highest_mm"], ["clipped_mm"]),
        helper.make_node("Greater", ["unclipped_mm", "above_band_mm"], ["is_above_band"]),
        helper.make_node("Where", ["is_above_band", "lowest_mm", "clipped_mm"], ["fields_mm"]),
        helper.make_node("Mul", ["image", "zero"], ["background"]),
        helper.make_node("Concat", ["background", "fields_mm"], ["logits"], axis=1),
    ]
    return _model(nodes, constants, channels=1 + len(structures))


def build_localizer(structures: tuple[PhantomStructure, ...]) -> onnx.ModelProto:
    """ONNX graph of the same tensors with two channels: above bone, only capsules are left."""
    lowest_hu = min(found.band_hu[0] for found in structures)
    constants = {
        "limit_hu": np.float32((BONE_HU + lowest_hu) / 2),
        "hu_per_mm": np.float32(HU_PER_MM),
        "zero": np.float32(0.0),
    }
    nodes = [
        helper.make_node("Sub", ["image", "limit_hu"], ["hu_above_limit"]),
        helper.make_node("Div", ["hu_above_limit", "hu_per_mm"], ["capsules"]),
        helper.make_node("Mul", ["image", "zero"], ["background"]),
        helper.make_node("Concat", ["background", "capsules"], ["logits"], axis=1),
    ]
    return _model(nodes, constants, channels=2)


def _model(
    nodes: list[onnx.NodeProto], constants: dict[str, Any], channels: int
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "commissioning",
        [_tensor("image", 1)],
        [_tensor("logits", channels)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="oarlock",
        opset_imports=[helper.make_opsetid("", OPERATOR_SET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def build_card(
    structures: tuple[PhantomStructure, ...], localizer_sha256: str, segmenter_sha256: str
) -> dict[str, Any]:
    """The bundle's card as plain YAML values."""
    return {
        "format": 1,
        "name": "commissioning",
        "version": VERSION,
        "intended_use": (
            "Geometry checks on the phantom that Oarlock writes: its contours are known in closed "
            "form. Never for patients; on any other image its contours mean nothing."
        ),
        "licence": "As Oarlock itself; see LICENSE.",
        "training_data": "None: the graph is arithmetic, built by models/export/commissioning.py.",
        "evaluation": (
            "On the phantom each field equals the true signed distance in mm to within 0.02 mm "
            "(whole HU) within 4 mm of the border; beyond, it is +-4."
        ),
        "localizer": {
            "artifact": LOCALIZER_ARTIFACT,
            "sha256": localizer_sha256,
            "spacing_mm": [4.0, 4.0, 4.0],
            "window": [64, 128, 128],
            "margin_mm": [12.0, 12.0, 12.0],
            "minimum_component_cm3": 0.5,
            "intensity": _unchanged_hu(),
        },
        "segmenter": {
            "artifact": ARTIFACT,
            "sha256": segmenter_sha256,
            "spacing_mm": "native",
            "window": [16, 256, 256],
            "intensity": _unchanged_hu(),
        },
        "structures": [
            {
                "label": found.label,
                "name": found.name,
                "colour": list(found.colour_rgb),
                "components": found.components,
                "description": found.description,
                "code": None,
            }
            for found in structures
        ],
    }


def _unchanged_hu() -> dict[str, list[int]]:
    return {"hu_range": list(HU_RANGE), "output_range": list(HU_RANGE)}


def build_bundle(folder: Path) -> list[Path]:
    """Write the networks and their card into `folder` and return the files."""
    structures = HEAD_AND_NECK.structures
    networks = {
        LOCALIZER_ARTIFACT: build_localizer(structures).SerializeToString(deterministic=True),
        ARTIFACT: build_network(structures).SerializeToString(deterministic=True),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in networks.items():
        (folder / name).write_bytes(content)
    card_file = folder / "card.yaml"
    checksums = [hashlib.sha256(content).hexdigest() for content in networks.values()]
    card = build_card(structures, *checksums)
    card_file.write_text(
        yaml.safe_dump(card, sort_keys=False, width=96, default_flow_style=None), encoding="utf-8"
    )
    return [*(folder / name for name in networks), card_file]


def _tensor(name: str, channels: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "z", "y", "x"])


if __name__ == "__main__":
    build_bundle(Path(sys.argv[1]) if len(sys.argv) > 1 else RELEASED_FOLDER)
