"""ONNX Runtime, on the GPU where its CUDA build finds one, else on the CPU."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as failures
from numpy.typing import NDArray

from contouring.errors import InferenceError, InvalidBundleError
from models.card import StageCard

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
# ONNX Runtime's own errors, which share no parent but Exception.
FAILURES = (
    failures.EPFail,
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.RuntimeException,
)
# It has no error of its own for this; the words are its arena's, the C++ library's and CUDA's.
OUT_OF_MEMORY = re.compile(
    r"failed to allocate|bad_alloc|out of memory|cudaErrorMemoryAllocation|ALLOC_FAILED", re.I
)


class OnnxPredictor:
    """A session on one ONNX file, checked against its card; safe to share between threads."""

    def __init__(
        self,
        folder: Path,
        stage: StageCard,
        channels: int,
        threads: int | None,
        *,
        on_cpu: bool = False,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            # From bytes: weights in another file, which no checksum covers, cannot be loaded.
            self._session = onnxruntime.InferenceSession(
                (folder / stage.artifact).read_bytes(),
                options,
                providers=[CPU] if on_cpu else _wanted_providers(),
            )
        except FAILURES as error:
            _raise_if_memory(error)
            raise InvalidBundleError(
                folder, f"{stage.artifact} cannot be loaded: {error}"
            ) from error
        self._input, self._output = stage.input.name, stage.output.name
        self._channels = channels
        self._check(folder, stage, channels)
        count, _, *sides = self._session.get_inputs()[0].shape
        self._takes_many = not isinstance(count, int)
        self.takes_any_window = not any(isinstance(side, int) for side in sides)

    @property
    def name(self) -> str:
        """The runtime that really runs: one that cannot find its GPU falls back to the CPU."""
        return f"ONNX Runtime {onnxruntime.__version__} ({self._session.get_providers()[0]})"

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x), both float32.

        One after the other where the graph takes but one at a time. Raises `InferenceError`, and
        `MemoryError` where there is not enough of it.
        """
        if self._takes_many or len(windows) == 1:
            return self._run(windows)
        return np.concatenate([self._run(window[None]) for window in windows])

    def _run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            (logits,) = self._session.run([self._output], {self._input: windows[:, None]})
        except FAILURES as error:
            _raise_if_memory(error)
            raise InferenceError(
                f"ONNX Runtime failed on a window of {windows.shape[1:]}: {error}"
            ) from error
        wanted = (len(windows), self._channels)
        if logits.shape[:2] != wanted:  # a graph need not state its channels
            raise InferenceError(
                f"The network answered with {logits.shape[:2]} windows and channels, not "
                f"{wanted}: its bundle's card and artifact do not belong together."
            )
        return np.asarray(logits, np.float32)

    def _check(self, folder: Path, stage: StageCard, channels: int) -> None:
        """Names, types and shapes of the graph, as far as it states them."""
        wanted = {
            self._input: (self._session.get_inputs(), (1, 1, *stage.window)),
            self._output: (self._session.get_outputs(), (1, channels, *stage.window)),
        }
        for name, (tensors, shape) in wanted.items():
            tensor = next((t for t in tensors if t.name == name), None)
            if tensor is None:
                names = ", ".join(t.name for t in tensors)
                raise InvalidBundleError(
                    folder, f"{stage.artifact} has no tensor {name!r}, only {names}."
                )
            stated = [n if isinstance(n, int) else None for n in tensor.shape]
            fits = len(stated) == len(shape) and all(
                n in (None, want) for n, want in zip(stated, shape, strict=True)
            )
            if tensor.type != "tensor(float)" or not fits:
                raise InvalidBundleError(
                    folder,
                    f"{stage.artifact}: tensor {name!r} is {tensor.type} {tensor.shape}; "
                    f"the card asks for tensor(float) {list(shape)}.",
                )
        others = [t.name for t in self._session.get_inputs() if t.name != self._input]
        if others:
            raise InvalidBundleError(
                folder, f"{stage.artifact} wants inputs besides {self._input!r}: {others}."
            )


def _raise_if_memory(error: Exception) -> None:
    if OUT_OF_MEMORY.search(str(error)):
        raise MemoryError(f"ONNX Runtime: {error}") from error


def _wanted_providers() -> list[str | tuple[str, dict[str, str]]]:
    if CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    onnxruntime.preload_dlls()  # CUDA and cuDNN as pip installs them, beside the runtime
    # The default search takes four times as long in 3D.
    return [(CUDA, {"cudnn_conv_algo_search": "HEURISTIC"}), CPU]
