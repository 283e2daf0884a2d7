"""Every runtime that is installed and usable here, each ready to run one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from models.export.onnx_export import INPUT, OUTPUT

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class Runner:
    """`run`: logits (B, classes, z, y, x) of images (B, 1, z, y, x), both float32."""

    runtime: str
    run: Run


def find_runners(model: onnx.ModelProto) -> Iterator[Runner]:
    """One after the other, so that no two hold their memory at once; ONNX Runtime's CPU first."""
    content = model.SerializeToString()
    yield _onnx_runtime(content, [CPU])
    if CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        runner = _onnx_runtime(content, [CUDA, CPU])
        if CUDA in runner.runtime:  # it falls back in silence where there is no GPU
            yield runner
    if find_spec("openvino") is not None:
        yield _openvino(content)


def _onnx_runtime(content: bytes, providers: list[str]) -> Runner:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=providers)

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        (logits,) = session.run([OUTPUT], {INPUT: images})
        return np.asarray(logits, np.float32)

    return Runner(f"ONNX Runtime {onnxruntime.__version__} ({session.get_providers()[0]})", run)


def _openvino(content: bytes) -> Runner:
    from models.runtimes.silent_openvino import openvino

    core = openvino.Core()
    # Its own choice would be bfloat16 where the processor has it.
    compiled: Any = core.compile_model(
        core.read_model(content, b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(compiled([images])[0], np.float32)

    return Runner(f"OpenVINO {openvino.__version__.split('-')[0]} (CPU)", run)
