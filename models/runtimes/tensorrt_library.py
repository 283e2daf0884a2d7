"""TensorRT's library, and what it has to say."""

from __future__ import annotations

import re
from typing import Any

import tensorrt

OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemory|cudaErrorMemoryAllocation", re.I)
VERSION = f"TensorRT {tensorrt.__version__}"


class Words(tensorrt.ILogger):  # type: ignore[misc]
    """Keeps its errors, which its calls do not answer with, in place of printing them."""

    def __init__(self) -> None:
        tensorrt.ILogger.__init__(self)
        self._errors: list[str] = []

    def log(self, severity: Any, msg: str) -> None:
        """Called by TensorRT."""
        if severity in (tensorrt.ILogger.INTERNAL_ERROR, tensorrt.ILogger.ERROR):
            self._errors.append(msg.strip())

    def take(self) -> str:
        """What went wrong since this was last asked; raises `MemoryError` if memory was short."""
        told, self._errors = "; ".join(self._errors), []
        if OUT_OF_MEMORY.search(told):
            raise MemoryError(f"TensorRT: {told}")
        return told or "TensorRT does not say why"
