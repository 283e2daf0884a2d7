"""The runtimes that Oarlock knows, by the names that a site asks for them."""

from __future__ import annotations

from enum import StrEnum


class RuntimeName(StrEnum):
    """`AUTO`: the best that is usable; the others in that order."""

    AUTO = "auto"
    TENSORRT = "tensorrt"
    ONNX_TENSORRT = "onnx-tensorrt"
    ONNX_CUDA = "onnxruntime-cuda"
    OPENVINO = "openvino"
    ONNX_CPU = "onnxruntime-cpu"

    @property
    def runs_on_cpu(self) -> bool:
        """Whether it needs no GPU."""
        return self in (RuntimeName.OPENVINO, RuntimeName.ONNX_CPU)

    @property
    def runs_engines(self) -> bool:
        """Whether a network must be built for this machine, once and beforehand."""
        return self in (RuntimeName.TENSORRT, RuntimeName.ONNX_TENSORRT)
