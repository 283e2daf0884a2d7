"""OpenVINO on the CPU, for most graphs faster than ONNX Runtime (`docs/performance.md`)."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contouring.errors import InferenceError, InvalidBundleError, UnusableRuntimeError
from models.artifacts import read_artifact
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.graph_check import Graph, GraphTensor, check_channels, check_graph, run_windows
from models.runtimes.silent_openvino import openvino

DEVICE = "CPU"
HINTS = {"float32": "f32", "bfloat16": "bf16"}
SIZES_KEPT = 2  # a stack of slices has a smaller rest
OUT_OF_MEMORY = re.compile(
    r"bad_alloc|failed to allocate|out of memory|not clone \w*MemoryDesc", re.I
)


class OpenVinoPredictor:
    """One ONNX file, checked against its card; threads take turns.

    It is compiled for each size of window, which fixes all its memory. Compiled for any size it
    would look for memory as it runs, and where there is none, with one thread, give the answer of
    the window before (`docs/decisions/0010`).
    """

    def __init__(
        self,
        folder: Path,
        stage: StageCard,
        channels: int,
        threads: int | None,
        precision: str = "float32",
    ) -> None:
        self._precision = precision
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            # Processes know nothing of each other: all would sit on the first cores.
            "ENABLE_CPU_PINNING": False,
            # Its own choice would be bfloat16 where the processor has it, whatever the model.
            "INFERENCE_PRECISION_HINT": HINTS[precision],
        }
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads
        try:
            self._core = openvino.Core()
        except RuntimeError as error:
            raise UnusableRuntimeError(RuntimeName.OPENVINO, f"{error}.") from error
        try:
            self._model = self._core.read_model(read_artifact(folder, stage), b"")
        except RuntimeError as error:
            _raise_if_memory(error)
            raise InvalidBundleError(
                folder, f"{stage.artifact} cannot be loaded: {error}"
            ) from error
        graph = _read_graph(self._model, stage)
        check_graph(folder, stage, channels, graph)
        self._sides = graph.inputs[0].shape
        self._output = [one.name for one in graph.outputs].index(stage.output.name)
        self._channels = channels
        self._turn = threading.Lock()
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()  # the last one used last
        self._at_once = graph.at_once
        self.takes_any_window = graph.takes_any_window
        self._try_compiling(stage)

    @property
    def name(self) -> str:
        """What runs."""
        told = DEVICE if self._precision == "float32" else f"{DEVICE}, {self._precision}"
        return f"OpenVINO {openvino.__version__.partition('-')[0]} ({told})"

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x), both float32.

        One after the other where the graph takes but one at a time. Raises `InferenceError`, and
        `MemoryError` where there is not enough of it.
        """
        return run_windows(self._run, windows, self._at_once)

    def _run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._turn:
            try:
                request = self._find_request((len(windows), 1, *windows.shape[1:]))
                answer = request.infer(
                    [np.ascontiguousarray(windows[:, None])], share_outputs=False
                )
            except RuntimeError as error:
                _raise_if_memory(error)
                raise InferenceError(
                    f"OpenVINO failed on a window of {windows.shape[1:]}: {error}"
                ) from error
            # A copy already, for outputs are not shared with the runtime.
            logits = np.asarray(answer[self._output], np.float32)
        check_channels(logits.shape, len(windows), self._channels)
        return logits

    def _try_compiling(self, stage: StageCard) -> None:
        """For the smallest window: a processor that lacks what the graph needs is found here."""
        smallest = (
            side if stated is not None or side == 1 else stage.multiple_of
            for side, stated in zip(stage.window, self._sides[2:], strict=True)
        )
        try:
            self._find_request((1, 1, *smallest))
        except RuntimeError as error:
            _raise_if_memory(error)
            raise UnusableRuntimeError(RuntimeName.OPENVINO, f"{error}.") from error

    def _find_request(self, shape: tuple[int, ...]) -> Any:
        if shape not in self._compiled:
            if any(
                side not in (None, wanted) for side, wanted in zip(self._sides, shape, strict=True)
            ):
                raise RuntimeError(f"its graph takes {self._sides} alone")
            while len(self._compiled) >= SIZES_KEPT:
                self._compiled.popitem(last=False)
            self._model.reshape(list(shape))
            compiled = self._core.compile_model(self._model, DEVICE, self._options)
            self._compiled[shape] = compiled.create_infer_request()
        self._compiled.move_to_end(shape)
        return self._compiled[shape]


def _read_graph(model: openvino.Model, stage: StageCard) -> Graph:
    return Graph(
        tuple(_read_tensor(one, stage.input.name) for one in model.inputs),
        tuple(_read_tensor(one, stage.output.name) for one in model.outputs),
    )


def _read_tensor(tensor: Any, wanted: str) -> GraphTensor:
    """A tensor may have several names; it is called as `wanted` if that is one of them."""
    shape = tensor.partial_shape
    sides = () if shape.rank.is_dynamic else tuple(shape)
    return GraphTensor(
        wanted if wanted in tensor.names else min(tensor.names, default=""),
        tensor.element_type.get_type_name(),
        tensor.element_type == openvino.Type.f32,
        tuple(None if side.is_dynamic else side.get_length() for side in sides),
    )


def _raise_if_memory(error: Exception) -> None:
    if OUT_OF_MEMORY.search(str(error)):
        raise MemoryError(f"OpenVINO: {error}") from error
