"""Build the `hn-oar` bundle from the checkpoints of its two stages.

python -m models.export.head_and_neck --work run --version 0.1.0 --evaluation evaluation.txt
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from models.bundles import RELEASED
from models.export.onnx_export import export_network, largest_difference
from models.training.cases import STRUCTURES
from models.training.plans import PLANS, TrainingPlan
from models.training.train import averaged_weights

NAME = "hn-oar"
TOLERANCE = 0.05  # logits; float16 storage of the weights is the larger part
LOCALIZER_MARGIN_MM = (80.0, 30.0, 30.0)  # z: it loses sight of the thin cord first
# An abdomen's cord made 429 cm3 of foreground; of 17 necks of the val split the smallest, 1328.
LEAST_COMPONENT_CM3 = 600.0
SEGMENTER_WINDOW = (128, 64, 64)  # larger than in training; as good on a third of val, and faster
SEGMENTER_OVERLAP = 0.25
COLOURS = {
    "Brainstem": (0, 160, 176),
    "SpinalCord": (255, 221, 51),
    "Parotid_R": (214, 84, 39),
    "Parotid_L": (60, 140, 231),
    "Esophagus": (168, 117, 67),
    "Larynx": (120, 190, 90),
    "Mandible": (230, 190, 230),
}
# SNOMED CT, as the DICOM dictionary of PS3.16 writes them.
CODES = {
    "Brainstem": ("119238007", "Brain Stem"),
    "SpinalCord": ("2748008", "Spinal cord"),
    "Parotid_R": ("45289007", "Parotid gland"),
    "Parotid_L": ("45289007", "Parotid gland"),
    "Esophagus": ("32849002", "Esophagus"),
    "Larynx": ("4596009", "Larynx"),
    "Mandible": ("91609006", "Mandible"),
}
LONG_NAMES = {
    "Brainstem": "Brainstem",
    "SpinalCord": "Spinal cord",
    "Parotid_R": "Right parotid gland",
    "Parotid_L": "Left parotid gland",
    "Esophagus": "Esophagus",
    "Larynx": "Larynx",
    "Mandible": "Mandible",
}
# As models/training/volume_ranges.py finds them.
VOLUME_RANGES_CM3 = {
    "Brainstem": (6.9, 53.0),
    "SpinalCord": (9.5, 57.0),
    "Parotid_R": (9.4, 59.0),
    "Parotid_L": (8.7, 60.0),
    "Esophagus": (2.9, 33.0),
    "Larynx": (1.6, 73.0),
    "Mandible": (29.0, 120.0),
}
LATERALITY = {"_R": ("24028007", "Right"), "_L": ("7771000", "Left")}


def build_bundle(work: Path, folder: Path, version: str, evaluation: str) -> None:
    """Export both stages, compare them with PyTorch and write the bundle into `folder`.

    Raises `ValueError` if an exported network strays from PyTorch by more than `TOLERANCE`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    localizer = _stage("localizer", work / "localizer", folder)
    localizer |= {
        "margin_mm": list(LOCALIZER_MARGIN_MM),
        "minimum_component_cm3": LEAST_COMPONENT_CM3,
    }
    segmenter = _stage("segmenter", work / "segmenter-tuning", folder)
    segmenter |= {"window": list(SEGMENTER_WINDOW), "overlap": SEGMENTER_OVERLAP}
    for run in ("localizer", "segmenter", "segmenter-tuning"):
        shutil.copyfile(work / run / "curve.csv", folder / f"{run}-curve.csv")
    card = {
        "format": 1,
        "name": NAME,
        "version": version,
        "intended_use": (
            "Draft contours of seven organs at risk on planning CTs of the head and neck, for "
            "review and correction by a qualified person. Not for diagnosis, not for children, "
            "not for unreviewed use."
        ),
        "licence": "As Oarlock itself; see LICENSE.",
        "training_data": (
            "OpenKBP (Babier et al., Medical Physics 48:5549-5561, 2021; MIT licence): 170 of its "
            "203 head-and-neck planning CTs with clinical contours, at about 3.9 x 3.9 x 2.5 mm."
        ),
        "evaluation": evaluation,
        "localizer": localizer,
        "segmenter": segmenter,
        "structures": [_structure(label, name) for label, name in enumerate(STRUCTURES, start=1)],
    }
    text = yaml.safe_dump(card, sort_keys=False, width=96, default_flow_style=None)
    (folder / "card.yaml").write_text(text, encoding="utf-8")


def _stage(stage: str, run: Path, folder: Path) -> dict[str, Any]:
    """Export one stage from its last run; the part of the card that describes it."""
    plan = PLANS[stage]
    network = _averaged_network(plan, run / "checkpoint.pt")
    example = torch.rand(1, 1, *plan.patches.shape_zyx) * 2 - 1
    model = export_network(network, example)
    difference = largest_difference(network, model, example)
    sys.stderr.write(f"{stage}: largest difference from PyTorch {difference:.5f}\n")
    if difference > TOLERANCE:
        raise ValueError(f"{stage} strays from PyTorch by {difference}, more than {TOLERANCE}")
    artifact = folder / f"{stage}.onnx"
    artifact.write_bytes(model.SerializeToString(deterministic=True))
    return {
        "artifact": artifact.name,
        "sha256": hashlib.sha256(artifact.read_bytes()).hexdigest(),
        "spacing_mm": list(plan.patches.spacing_zyx_mm),
        "window": list(plan.patches.shape_zyx),
        "multiple_of": plan.multiple_of,
        "intensity": {
            "hu_range": list(plan.patches.intensity.hu_range),
            "output_range": list(plan.patches.intensity.output_range),
        },
        "export_tolerance": TOLERANCE,
    }


def _averaged_network(plan: TrainingPlan, checkpoint: Path) -> nn.Module:
    """The network with the moving average of its weights."""
    network = plan.network()
    network.load_state_dict(averaged_weights(checkpoint))
    return network.eval()


def _structure(label: int, name: str) -> dict[str, Any]:
    value, meaning = CODES[name]
    entry: dict[str, Any] = {
        "label": label,
        "name": name,
        "colour": list(COLOURS[name]),
        "components": 1,
        "description": LONG_NAMES[name],
        "interpreted_type": "ORGAN",
        "volume_range_cm3": list(VOLUME_RANGES_CM3[name]),
        "code": {"value": value, "scheme": "SCT", "meaning": meaning},
    }
    if name[-2:] in LATERALITY:
        side, word = LATERALITY[name[-2:]]
        entry["laterality"] = {"value": side, "scheme": "SCT", "meaning": word}
    return entry


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="Build the hn-oar bundle from checkpoints.")
    parser.add_argument("--work", type=Path, required=True, help="where training left checkpoints")
    parser.add_argument("--folder", type=Path, default=RELEASED / NAME)
    parser.add_argument("--version", required=True)
    parser.add_argument("--evaluation", type=Path, required=True, help="text file for the card")
    options = parser.parse_args()
    text = options.evaluation.read_text(encoding="utf-8").strip()
    build_bundle(options.work, options.folder, options.version, text)


if __name__ == "__main__":
    main()
