"""TensorRT on an NVIDIA GPU, with engines that `oarlock engines build` has built beforehand."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import tensorrt
from numpy.typing import NDArray

from contouring.errors import InferenceError, UnusableRuntimeError
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.cuda_memory import CudaError, CudaStream
from models.runtimes.engine_folder import EngineFolder, identify, require_engine
from models.runtimes.gpu_platform import Platform, find_platform
from models.runtimes.graph_check import Graph, GraphTensor, check_channels, check_graph, run_windows
from models.runtimes.tensorrt_library import VERSION, Words

RUNTIME = RuntimeName.TENSORRT
FLOAT32_BYTES = 4


def find_own_platform() -> Platform:
    """What it builds engines for here; raises `UnusableRuntimeError` without a GPU."""
    return find_platform(RUNTIME, VERSION)


class TensorRtPredictor:
    """An engine, checked against the card, with memory for its largest window; threads take turns.

    Raises `EngineMissingError` where none is built: that takes minutes, and never happens here.
    """

    def __init__(
        self,
        folder: Path,
        stage: StageCard,
        channels: int,
        engines: EngineFolder | None,
        precision: str = "float32",
    ) -> None:
        identity = identify(RUNTIME, stage, precision, find_own_platform())
        (file,) = require_engine(engines, identity)
        self._words = Words()
        self._engine = tensorrt.Runtime(self._words).deserialize_cuda_engine(file.read_bytes())
        if self._engine is None:
            raise UnusableRuntimeError(
                RUNTIME,
                f"{file.name} cannot be loaded ({self._words.take()}): build it again with "
                "oarlock engines build --again.",
            )
        graph = _read_graph(self._engine)
        check_graph(folder, stage, channels, graph)
        self._name = f"{VERSION} ({identity.platform.gpu}{_told(precision)})"
        self._input, self._output, self._channels = stage.input.name, stage.output.name, channels
        self._at_once = identity.plan.largest_batch if graph.takes_many else 1
        self.takes_any_window = graph.takes_any_window
        self._turn = threading.Lock()
        self._largest = identity.plan.fit(graph.inputs[0].shape).largest
        self._prepare()

    @property
    def name(self) -> str:
        """What runs."""
        return self._name

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x), both float32.

        As many at a time as the engine was built for. Raises `InferenceError`, and `MemoryError`
        where there is not enough of it.
        """
        return run_windows(self._run, windows, self._at_once)

    def _prepare(self) -> None:
        """A context and memory for the largest window; its addresses never change."""
        try:
            self._stream = CudaStream()
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise CudaError(self._words.take())
            voxels = self._largest[0] * math.prod(self._largest[2:])
            self._shown = self._stream.reserve(voxels * FLOAT32_BYTES)
            self._answered = self._stream.reserve(voxels * self._channels * FLOAT32_BYTES)
        except CudaError as error:
            raise UnusableRuntimeError(RUNTIME, f"{error}.") from error
        self._context.set_tensor_address(self._input, self._shown)
        self._context.set_tensor_address(self._output, self._answered)

    def _run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = (len(windows), 1, *windows.shape[1:])
        shown = np.ascontiguousarray(windows, np.float32)
        logits = np.empty((len(windows), self._channels, *windows.shape[1:]), np.float32)
        with self._turn:
            try:
                self._set_shape(shape, logits.shape)
                self._stream.write(self._shown, shown)
                if not self._context.execute_async_v3(self._stream.handle):
                    raise CudaError(self._words.take())
                self._stream.read(logits, self._answered)
                self._stream.wait()
            except CudaError as error:
                raise InferenceError(
                    f"TensorRT failed on a window of {windows.shape[1:]}: {error}"
                ) from error
        return logits

    def _set_shape(self, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        if not self._context.set_input_shape(self._input, shape):
            raise CudaError(f"the engine was not built for it ({self._words.take()})")
        answer = tuple(self._context.get_tensor_shape(self._output))
        check_channels(answer, shape[0], self._channels)
        if answer != wanted:
            raise CudaError(f"it would answer with {answer}")


def _read_graph(engine: Any) -> Graph:
    names = [engine.get_tensor_name(k) for k in range(engine.num_io_tensors)]
    inputs = [one for one in names if engine.get_tensor_mode(one) == tensorrt.TensorIOMode.INPUT]
    return Graph(
        tuple(_read_tensor(engine, one) for one in inputs),
        tuple(_read_tensor(engine, one) for one in names if one not in inputs),
    )


def _read_tensor(engine: Any, name: str) -> GraphTensor:
    element = engine.get_tensor_dtype(name)
    return GraphTensor(
        name,
        str(element),
        element == tensorrt.DataType.FLOAT,
        tuple(None if side == -1 else side for side in engine.get_tensor_shape(name)),
    )


def _told(precision: str) -> str:
    return "" if precision == "float32" else f", {precision}"
