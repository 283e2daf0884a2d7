"""One window of every network through each runtime of the CPU, beside PyTorch and the floor.

The floor is the network's multiply-adds by the fastest convolution or product of matrices, of the
same precision, that this machine did in the same run. Weights are random: time does not depend on
them. Whether a network may be run in bfloat16 is for its gate to say.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.entrants import ENTRANTS
from benchmarks.figures import Aim, Row
from models.card import StageCard
from models.export.onnx_export import export_network
from models.networks.cost import FLOATING_POINT_OPERATIONS, measure_cost
from models.processor import read_processor
from models.runtimes.choice import BFLOAT16
from models.runtimes.onnx_runtime import OnnxPredictor
from models.runtimes.openvino_runtime import OpenVinoPredictor
from models.training.recipe_file import Recipe, overridden, read_recipe
from models.training.runs import recipe_network

EAGER, ONNX, OPENVINO = "PyTorch", "ONNX Runtime", "OpenVINO"
IN_BFLOAT16 = "OpenVINO in bfloat16"
# As their papers show them, and swinunetr and the others beside them; here they learn from less.
PAPERS_WINDOW = (96, 96, 96)
PAPERS = {
    *("lyu-segmenter", "oarfocalfusenet", "3d-msf", "roth-fine"),
    *("unet", "dynunet", "swinunetr"),
}
DENSE = "unet"  # whose time should be its arithmetic
FLOOR_AIM, RUNTIME_AIM = Aim("at most", 1.5), Aim("at most", 0.5)
CONVOLUTIONS = ((32, 64), (64, 48), (128, 24))  # channels, and samples along each side
MATRIX = 2048
PEAK_RUNS = 5

Step = Callable[[], object]


@dataclass(frozen=True)
class NetworkTime:
    """`seconds`: of one window, per runtime; `operations`: of its arithmetic."""

    recipe: str
    window_zyx: tuple[int, int, int]
    seconds: Mapping[str, float]
    operations: float


@dataclass(frozen=True)
class NetworkTimes:
    """`peaks`: operations a second of this machine, by precision."""

    peaks: Mapping[torch.dtype, float]
    networks: tuple[NetworkTime, ...]

    def floor_seconds(self, network: NetworkTime, way: str) -> float:
        """Of its arithmetic alone, in the precision of that way."""
        precision = torch.bfloat16 if way == IN_BFLOAT16 else torch.float32
        return network.operations / self.peaks[precision]


def measure_networks(
    threads: int, runs: int, tell: Callable[[str], None], recipes: Sequence[str] | None = None
) -> NetworkTimes:
    """All networks of `benchmarks.entrants`, or those named; in bfloat16, too, where that is."""
    torch.set_num_threads(threads)
    tell("the fastest arithmetic")
    precisions = [torch.float32]
    if read_processor().has_bfloat16:
        precisions.append(torch.bfloat16)
    peaks = {precision: measure_peak(precision) for precision in precisions}
    names = recipes or [
        name for one in ENTRANTS for name in (one.localizer, one.segmenter) if name is not None
    ]
    measured = (_measure(_read_timed(name), precisions, threads, runs, tell) for name in names)
    return NetworkTimes(peaks, tuple(measured))


def measure_peak(precision: torch.dtype) -> float:
    """Floating-point operations a second: the best of some shapes and runs."""
    steps: list[tuple[float, Step]] = []
    a, b = (torch.rand(MATRIX, MATRIX).to(precision) for _ in range(2))
    steps.append((2.0 * MATRIX**3, lambda: a @ b))
    for channels, side in CONVOLUTIONS:
        layer: nn.Module = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        layer = layer.to(precision, memory_format=torch.channels_last_3d)
        image = torch.rand(1, channels, side, side, side)
        image = image.to(precision, memory_format=torch.channels_last_3d)
        work = 2.0 * channels**2 * 27 * side**3
        steps.append((work, lambda layer=layer, image=image: layer(image)))
    with torch.no_grad():
        return max(work / min(_time(step) for _ in range(PEAK_RUNS)) for work, step in steps)


def _time(step: Step) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _read_timed(name: str) -> Recipe:
    recipe = read_recipe(name)
    return overridden(recipe, window=PAPERS_WINDOW) if name in PAPERS else recipe


def _measure(
    recipe: Recipe,
    precisions: Sequence[torch.dtype],
    threads: int,
    runs: int,
    tell: Callable[[str], None],
) -> NetworkTime:
    tell(f"{recipe.name}: exporting")
    torch.manual_seed(0)
    network, window = recipe_network(recipe).eval(), recipe.sliding_window
    image = np.random.default_rng(0).uniform(-1, 1, (1, *window)).astype(np.float32)
    shown = torch.from_numpy(image[:, None])
    operations = measure_cost(network, window).multiply_adds * FLOATING_POINT_OPERATIONS
    with TemporaryDirectory() as name:
        folder = Path(name)
        graph = export_network(network, torch.zeros(1, 1, *window), dynamic_axes=False)
        (folder / "net.onnx").write_bytes(graph.SerializeToString())
        channels = recipe.classes
        stage = _describe(folder, recipe)
        onnx = OnnxPredictor(folder, stage, channels, threads)
        openvino = OpenVinoPredictor(folder, stage, channels, threads)
        ways: dict[str, Step] = {
            EAGER: lambda: network(shown),
            ONNX: lambda: onnx.predict(image),
            OPENVINO: lambda: openvino.predict(image),
        }
        if torch.bfloat16 in precisions:
            halved = OpenVinoPredictor(folder, stage, channels, threads, BFLOAT16)
            ways[IN_BFLOAT16] = lambda: halved.predict(image)
        found: dict[str, list[float]] = {name: [] for name in ways}
        with torch.inference_mode():
            for number in range(runs + 1):
                for name, step in ways.items():
                    tell(f"{recipe.name}: {name}, run {number} of {runs}")
                    found[name].append(_time(step))
    seconds = {name: median(times[1:]) for name, times in found.items()}
    return NetworkTime(recipe.name, window, seconds, operations)


def _describe(folder: Path, recipe: Recipe) -> StageCard:
    content: dict[str, Any] = {
        "artifact": "net.onnx",
        "sha256": hashlib.sha256((folder / "net.onnx").read_bytes()).hexdigest(),
        "spacing_mm": "native",
        "window": recipe.sliding_window,
        "multiple_of": 1,
        "intensity": {"hu_range": (-1000, 1000)},
    }
    return StageCard.model_validate(content)


def build_rows(times: NetworkTimes) -> list[Row]:
    """A dense network beside its floor, each other beside ONNX Runtime."""
    return [_row(one, times) for one in times.networks]


def _row(one: NetworkTime, times: NetworkTimes) -> Row:
    best = min((way for way in one.seconds if way != EAGER), key=lambda way: one.seconds[way])
    is_dense = one.recipe == DENSE
    window = " x ".join(str(side) for side in one.window_zyx)
    floor_seconds = times.floor_seconds(one, best)
    others = ", ".join(f"{name} {one.seconds[name]:.3g} s" for name in one.seconds if name != best)
    notes = [others]
    if not is_dense:
        floor = one.seconds[best] / floor_seconds
        notes.append(f"{floor:.1f} times its floor of {floor_seconds:.3g} s")
        if floor_seconds > RUNTIME_AIM.limit * one.seconds[ONNX]:
            notes.append(f"half of {ONNX}'s time would be less than the floor")
    notes.append(f"{one.seconds[EAGER] / one.seconds[best]:.1f} times as fast as PyTorch")
    return Row(
        group="Network only, one window",
        what=f"{one.recipe}, {window}, by {best}",
        unit="s",
        ours=one.seconds[best],
        peer="its arithmetic floor" if is_dense else ONNX,
        theirs=floor_seconds if is_dense else one.seconds[ONNX],
        aim=FLOOR_AIM if is_dense else RUNTIME_AIM,
        note="; ".join(notes),
    )
