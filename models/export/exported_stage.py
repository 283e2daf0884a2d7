"""One network of a system: from its run to a graph, compared, and its part of the card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnx
import torch
from torch import Tensor, nn

from models.export.network_runners import find_runners
from models.export.onnx_export import EXPORTER, OPERATOR_SET, ExportError, export_network
from models.export.parity import (
    Parity,
    check_parity,
    measure_parity,
    random_batches,
    real_batches,
)
from models.export.precisions import TOLERANCES, Precision
from models.export.real_windows import read_windows
from models.export.system_file import NetworkPart
from models.export.written_graph import write_in
from models.training.recipe_file import Recipe
from models.training.runs import load_network

StageName = Literal["localizer", "segmenter"]


@dataclass(frozen=True)
class RealInputs:
    """Scans in nnU-Net's raw layout that graphs are compared and calibrated on."""

    data: Path
    split: str = "val"
    windows: int = 6


@dataclass(frozen=True)
class ExportedStage:
    """A run's network and its float32 graph; `windows`: real inputs, each (1, z, y, x)."""

    name: StageName
    run: Path
    recipe: Recipe
    part: NetworkPart
    network: nn.Module
    graph: onnx.ModelProto
    windows: Sequence[Tensor]

    @property
    def window_zyx(self) -> tuple[int, int, int]:
        """Voxels that the network is to see at once."""
        return self.part.window or self.recipe.sliding_window


@dataclass(frozen=True)
class StageParity:
    """What the comparison of one stage found, runtime by runtime."""

    stage: StageName
    precision: Precision
    found: tuple[Parity, ...]


def export_stage(
    name: StageName, part: NetworkPart, run: Path, inputs: RealInputs | None
) -> ExportedStage:
    """Load a run's averaged weights and export them; raises `ExportError` for the wrong stage."""
    recipe, network = load_network(run)
    if recipe.stage != name:
        raise ExportError(f"{run} holds a {recipe.stage} ({recipe.name}), not a {name}")
    if recipe.name != part.recipe:
        raise ExportError(
            f"{run} was trained by the recipe {recipe.name}, and the system's {name} is "
            f"{part.recipe}: write a system file that names {recipe.name}, and says what it is"
        )
    window = part.window or recipe.sliding_window
    _check_window(recipe, part, window)
    graph = export_network(
        network,
        torch.zeros(1, 1, *window),
        dynamic_axes=part.axes == "dynamic",
        multiple_of=recipe.multiple_of,
    )
    windows: list[Tensor] = []
    if inputs is not None:
        windows = read_windows(recipe, inputs.data, inputs.split, inputs.windows, window)
    return ExportedStage(name, run, recipe, part, network, graph, windows)


def write_stage(
    stage: ExportedStage, folder: Path, precision: Precision, tolerance: float | None = None
) -> tuple[dict[str, Any], StageParity]:
    """Write the artifact into `folder`; its part of the card as plain values, and its parity.

    Raises `ExportError` if any runtime strays from PyTorch by more than `tolerance`, by default the
    precision's.
    """
    graph = write_in(stage.graph, precision, stage.windows)
    batches = [*random_batches(stage.window_zyx), *real_batches(stage.windows)]
    allowed = TOLERANCES[precision] if tolerance is None else tolerance
    found = measure_parity(stage.network, find_runners(graph), batches)
    worst = check_parity(found, allowed)
    artifact = folder / f"{stage.name}.onnx"
    artifact.write_bytes(graph.SerializeToString(deterministic=True))
    card = _describe(stage, artifact)
    card["export"] = {
        "exporter": EXPORTER,
        "operator_set": OPERATOR_SET,
        "precision": str(precision),
        "tolerance": allowed,
        "largest_difference": _shortened(worst.largest_difference),
        "argmax_mismatch": _shortened(max(one.argmax_mismatch for one in found)),
    }
    return card, StageParity(stage.name, precision, found)


def _check_window(recipe: Recipe, part: NetworkPart, window: tuple[int, int, int]) -> None:
    if any(side % recipe.multiple_of for side in window if side > 1):
        raise ExportError(f"window {window} is not a multiple of {recipe.multiple_of}")
    sides = {side for side in window if side > 1}
    # A scan smaller than its window is filled up to `multiple_of`, one number for all axes.
    if part.axes == "fixed" and recipe.shape is None and len(sides) > 1:
        raise ExportError(
            f"with fixed axes all sides of a window longer than one voxel must be equal, not "
            f"{window}: set axes: dynamic, or another window"
        )


def _describe(stage: ExportedStage, artifact: Path) -> dict[str, Any]:
    """What the card says of the stage but for its export."""
    recipe, part, window = stage.recipe, stage.part, stage.window_zyx
    is_fixed = part.axes == "fixed" and recipe.shape is None
    card: dict[str, Any] = {
        "artifact": artifact.name,
        "sha256": hashlib.sha256(artifact.read_bytes()).hexdigest(),
        **recipe.model_dump(
            mode="json", include={"spacing_mm", "own_within", "shape"}, exclude_none=True
        ),
        "window": list(window),
        "multiple_of": max(window) if is_fixed else recipe.multiple_of,
        "overlap": recipe.overlap if part.overlap is None else part.overlap,
        "intensity": recipe.intensity.model_dump(mode="json"),
    }
    if part.longest_window is not None:
        card["longest_window"] = list(part.longest_window)
    if part.crops_to_body:
        card["crops_to_body"] = True
    return card


def _shortened(value: float) -> float:
    return float(f"{value:.3g}")
