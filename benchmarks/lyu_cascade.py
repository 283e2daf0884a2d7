"""The segmenter of Lyu et al. at the paper's own sizes, beside the authors' chain.

Weights are random and the region is fixed; known organs come out in place of what the network says.
The chain is rebuilt from MONAI's transforms. Both see the same windows at the paper's overlap. On a
processor with bfloat16 ours is run in that, too, as it would be had its gate been passed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.figures import Aim, Row
from benchmarks.turns import take_turns
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from models.bundles import CARD
from models.export.onnx_export import export_network
from models.processor import read_processor
from models.runtimes.choice import BFLOAT16
from models.training.recipe_file import read_recipe
from models.training.runs import recipe_network

RECIPE = "abdomen-segmenter"
ORGANS = 14
SCANS = {55: 5.0, 215: 2.5, 554: 1.0}  # slices, and their distance in mm
GROUP = "Lyu et al., segmenter with a fixed region"
OURS, IN_BFLOAT16, MONAI = "Oarlock", "Oarlock in bfloat16", "the authors' chain"
AIM, GROWTH_AIM = Aim("at most", 0.25), Aim("at most", 2.0)


def measure_lyu(folder: Path, threads: int, tell: Callable[[str], None]) -> list[Row]:
    """A row for each size, of one run each, for they take minutes; and how our time grows."""
    tell("exporting the network of Lyu et al.")
    bundles = {OURS: _write_bundle(folder / "lyu")}
    if read_processor().has_bfloat16:
        bundles[IN_BFLOAT16] = _write_in_bfloat16(bundles[OURS], folder / "lyu-bfloat16")
    ours: dict[str, dict[int, float]] = {way: {} for way in bundles}
    rows = []
    for slices, apart_mm in SCANS.items():
        series = folder / f"scan-{slices}"
        series.mkdir()
        write_phantom(series, scan=Scan(slice_offsets_mm=even_offsets(slices, apart_mm)))
        arguments = (str(series), str(threads), str(ORGANS), "small")
        ways = {
            way: ("benchmarks.our_chain", *arguments, str(bundle))
            for way, bundle in bundles.items()
        }
        ways[MONAI] = ("benchmarks.monai_chain", *arguments, RECIPE)
        found = take_turns(ways, 0, threads, lambda text, n=slices: tell(f"{n} slices: {text}"))
        theirs = found[MONAI]
        for way in bundles:
            ours[way][slices] = found[way].seconds
            rows.append(
                Row(
                    group=GROUP,
                    what=f"512 x 512 x {slices}{_tell_precision(way)}",
                    unit="s",
                    ours=found[way].seconds,
                    peer=MONAI,
                    theirs=theirs.seconds,
                    aim=AIM,
                    note=f"peak memory {found[way].peak_gb:.2f} GB to {theirs.peak_gb:.2f} GB",
                )
            )
    return [*rows, *(_growth(way, seconds) for way, seconds in ours.items())]


def _growth(way: str, seconds: dict[int, float]) -> Row:
    fewest, most = min(SCANS), max(SCANS)
    return Row(
        group=GROUP,
        what=f"{most} slices by {fewest} of the same region{_tell_precision(way)}",
        unit="s",
        ours=seconds[most],
        peer=f"{fewest} slices",
        theirs=seconds[fewest],
        aim=GROWTH_AIM,
    )


def _tell_precision(way: str) -> str:
    return ", in bfloat16" if way == IN_BFLOAT16 else ""


def _write_in_bfloat16(bundle: Path, folder: Path) -> Path:
    shutil.copytree(bundle, folder)
    gate = {
        "precision": BFLOAT16,
        "mean_dice_change": 0.0,
        "largest_fall": 0.0,
        "cases": 1,
        "runtime": "none: the weights are random",
    }
    card = yaml.safe_load((folder / CARD).read_text("utf-8"))
    (folder / CARD).write_text(yaml.safe_dump(card | {"gates": [gate]}), encoding="utf-8")
    return folder


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
    (folder / CARD).write_text(yaml.safe_dump(card), encoding="utf-8")
    return folder
