"""The segmenter of Lyu et al. at the paper's own sizes, beside the authors' chain.

Weights are random and the region is fixed; known organs come out in place of what the network says.
The chain is rebuilt from MONAI's transforms. Both see the same windows at the paper's overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.figures import Aim, Row
from benchmarks.turns import take_turns
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from models.export.onnx_export import export_network
from models.training.recipe_file import read_recipe
from models.training.runs import recipe_network

RECIPE = "abdomen-segmenter"
ORGANS = 14
SCANS = {55: 5.0, 215: 2.5, 554: 1.0}  # slices, and their distance in mm
OURS, MONAI = "Oarlock", "the authors' chain"
AIM, GROWTH_AIM = Aim("at most", 0.25), Aim("at most", 2.0)


def measure_lyu(folder: Path, threads: int, tell: Callable[[str], None]) -> list[Row]:
    """A row for each size, of one run each, for they take minutes; and how our time grows."""
    tell("exporting the network of Lyu et al.")
    bundle = _write_bundle(folder / "lyu")
    ours, rows = {}, []
    for slices, apart_mm in SCANS.items():
        series = folder / f"scan-{slices}"
        series.mkdir()
        write_phantom(series, scan=Scan(slice_offsets_mm=even_offsets(slices, apart_mm)))
        arguments = (str(series), str(threads), str(ORGANS), "small")
        ways = {
            OURS: ("benchmarks.our_chain", *arguments, str(bundle)),
            MONAI: ("benchmarks.monai_chain", *arguments, RECIPE),
        }
        found = take_turns(ways, 0, threads, lambda text, n=slices: tell(f"{n} slices: {text}"))
        ours[slices] = found[OURS].seconds
        rows.append(
            Row(
                group="Lyu et al., segmenter with a fixed region",
                what=f"512 x 512 x {slices}",
                unit="s",
                ours=found[OURS].seconds,
                peer=MONAI,
                theirs=found[MONAI].seconds,
                aim=AIM,
                note=f"peak memory {found[OURS].peak_gb:.2f} GB to {found[MONAI].peak_gb:.2f} GB",
            )
        )
    fewest, most = min(SCANS), max(SCANS)
    growth = Row(
        group="Lyu et al., segmenter with a fixed region",
        what=f"{most} slices by {fewest} of the same region",
        unit="s",
        ours=ours[most],
        peer=f"{fewest} slices",
        theirs=ours[fewest],
        aim=GROWTH_AIM,
    )
    return [*rows, growth]


def _write_bundle(folder: Path) -> Path:
    recipe = read_recipe(RECIPE)
    torch.manual_seed(0)
    network, window = recipe_network(recipe).eval(), recipe.sliding_window
    graph = export_network(network, torch.zeros(1, 1, *window), dynamic_axes=False)
    folder.mkdir()
    (folder / "net.onnx").write_bytes(graph.SerializeToString())
    card: dict[str, Any] = {
        "format": 1,
        "name": "lyu",
        "version": "0.0.0",
        "intended_use": "Benchmarks.",
        "licence": "None.",
        "training_data": "None: the weights are random.",
        "evaluation": "None.",
        "segmenter": {
            "artifact": "net.onnx",
            "sha256": hashlib.sha256((folder / "net.onnx").read_bytes()).hexdigest(),
            "spacing_mm": [1.5, 1.5, 1.5],
            "window": list(window),
            "multiple_of": max(window),
            "overlap": recipe.overlap,
            "intensity": recipe.intensity.model_dump(mode="json"),
        },
        "structures": [
            {"label": number, "name": f"Organ_{number}", "colour": [200, 100, 50]}
            for number in range(1, recipe.classes)
        ],
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder
