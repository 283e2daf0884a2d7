"""Runs that were started and never trained: all that an export needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.training.runs import save_progress, start_run
from tests.models.phantom_recipes import phantom_recipe

SEGMENTER = "made-segmenter"
LOCALIZER = {"name": "made-localizer", "stage": "localizer", "binary": True}
REGION = {"loss": {"kind": "region"}}
SYSTEM: dict[str, Any] = {
    "name": "made",
    "intended_use": "Tests.",
    "training_data": "None.",
    "evaluation": "None.",
    "segmenter": {"recipe": SEGMENTER},
}
BOX = {"recipe": "made-localizer", "margin_mm": [20.0, 10.0, 10.0]}
MASK = {"recipe": "made-localizer", "narrowing": "mask", "dilation_mm": 8.0}


def write_run(folder: Path, stage: str = "segmenter", **fields: Any) -> Path:
    """The folder of a run of a small residual U-Net with random weights."""
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "name": SEGMENTER,
        "network": {"name": "residual-unet", "arguments": {"widths": [8, 12]}},
        "patch": [8, 16, 16],
        "multiple_of": 2,
        "overlap": 0.25,
    }
    if stage == "localizer":
        small |= LOCALIZER | REGION
    progress = start_run(phantom_recipe(**(small | fields)), folder, torch.device("cpu"))
    save_progress(progress, folder, 0)
    (folder / "curve.csv").write_text("step,loss\n")
    (folder / "run.json").write_text('{"cases": 3, "patches": 12}')
    return folder
