"""ONNX Runtime's GPU build on a machine that has a GPU, as far as its sessions show it.

A session says that it runs on the provider that was asked for, and computes on the CPU. With
TensorRT it loads the engine of the prefix that it was given from the folder that it was given, or
else makes one there, as the provider's documentation has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from models.runtimes import onnx_providers

REAL = onnxruntime.InferenceSession
CPU, CUDA, TENSORRT = onnx_providers.CPU, onnx_providers.CUDA, onnx_providers.TENSORRT


class GpuSession(REAL):
    """`built`: the engines that sessions have had to make; `asked`: what each was opened with."""

    built: list[str] = []  # noqa: RUF012 - of the class, for tests to look at
    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, content: bytes, options: Any, providers: Any, **others: Any) -> None:
        super().__init__(content, options if providers[-1][0] == CPU else None, [CPU], **others)
        self._shown = [provider[0] if len(provider) == 2 else provider for provider in providers]
        self.asked.append({"providers": providers, **others})
        if self._shown[0] == TENSORRT:
            self._find_engine(providers[0][1])

    def get_providers(self) -> list[str]:
        """What was asked for."""
        return self._shown

    def _find_engine(self, told: dict[str, str]) -> None:
        name = f"{told['trt_engine_cache_prefix']}_0_sm89.engine"
        engine = Path(told["trt_engine_cache_path"]) / name
        if not engine.is_file():
            self.built.append(name)
            engine.write_bytes(b"engine")
            engine.with_suffix(".profile").write_text(told["trt_profile_max_shapes"])


def put_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the test ends."""
    GpuSession.built.clear()
    GpuSession.asked.clear()
    monkeypatch.setattr(onnxruntime, "InferenceSession", GpuSession)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(onnx_providers, "GPU", "cpu")  # where inputs and outputs lie
