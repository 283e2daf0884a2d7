"""Memory of an NVIDIA GPU and a stream of work on it: all that a predictor asks of CUDA.

By the `cuda.bindings` package, whose functions answer with a tuple that begins with the error.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from cuda.bindings import runtime as cuda
from numpy.typing import NDArray


class CudaError(RuntimeError):
    """CUDA refused or failed, in its own words."""


class CudaStream:
    """A stream of the GPU that this process uses, and memory that goes with it.

    Addresses are those of the GPU; copies are made in the order in which they are asked for, with
    the work on the same stream. Raises `CudaError`, and `MemoryError` where there is none left.
    """

    def __init__(self) -> None:
        self.handle = int(_take(cuda.cudaStreamCreate()))
        self._reserved: list[int] = []
        weakref.finalize(self, _give_back, self.handle, self._reserved)

    def reserve(self, size_bytes: int) -> int:
        """The address of so much memory, kept until the stream goes."""
        address = int(_take(cuda.cudaMalloc(size_bytes)))
        self._reserved.append(address)
        return address

    def write(self, address: int, values: NDArray[np.float32]) -> None:
        """From an array without gaps, which must stay until `wait`."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _take(cuda.cudaMemcpyAsync(address, values.ctypes.data, values.nbytes, kind, self.handle))

    def read(self, values: NDArray[np.float32], address: int) -> None:
        """Into an array without gaps, whose values are there after `wait`."""
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _take(cuda.cudaMemcpyAsync(values.ctypes.data, address, values.nbytes, kind, self.handle))

    def wait(self) -> None:
        """Until all that was asked for is done."""
        _take(cuda.cudaStreamSynchronize(self.handle))


def _give_back(handle: int, reserved: list[int]) -> None:
    """Errors are left alone: the process, or its GPU, may be going."""
    for address in reserved:
        cuda.cudaFree(address)
    cuda.cudaStreamDestroy(handle)


def _take(answer: tuple[Any, ...]) -> Any:
    error, *values = answer
    if error != cuda.cudaError_t.cudaSuccess:
        words = cuda.cudaGetErrorString(error)[1].decode()
        if error == cuda.cudaError_t.cudaErrorMemoryAllocation:
            raise MemoryError(f"CUDA: {words}")
        raise CudaError(f"CUDA: {words} ({error.name})")
    return values[0] if values else None
