"""CUDA's runtime: memory that is checked at every copy, and streams whose work is done at once."""

from __future__ import annotations

import ctypes
import os
from enum import IntEnum

MEMORY_BYTES = int(os.environ.get("STAND_IN_GPU_BYTES", 1 << 30))


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInvalidResourceHandle = 400


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


WORDS = {
    cudaError_t.cudaErrorInvalidValue: b"invalid argument",
    cudaError_t.cudaErrorMemoryAllocation: b"out of memory",
    cudaError_t.cudaErrorInvalidResourceHandle: b"invalid resource handle",
}
_memory: dict[int, ctypes.Array[ctypes.c_char]] = {}
_streams: set[int] = set()


def cudaMalloc(size):
    if sum(map(len, _memory.values())) + size > MEMORY_BYTES:
        return cudaError_t.cudaErrorMemoryAllocation, None
    block = ctypes.create_string_buffer(size)
    _memory[ctypes.addressof(block)] = block
    return cudaError_t.cudaSuccess, ctypes.addressof(block)


def cudaFree(address):
    known = _memory.pop(address, None)
    return (cudaError_t.cudaErrorInvalidValue if known is None else cudaError_t.cudaSuccess,)


def cudaStreamCreate():
    _streams.add(1000 + len(_streams))
    return cudaError_t.cudaSuccess, max(_streams)


def cudaStreamDestroy(stream):
    _streams.discard(stream)
    return (cudaError_t.cudaSuccess,)


def cudaStreamSynchronize(stream):
    return (_judge(stream),)


def cudaMemcpyAsync(target, source, count, kind, stream):
    on_gpu = target if kind is cudaMemcpyKind.cudaMemcpyHostToDevice else source
    if len(_memory.get(on_gpu, b"")) < count:
        return (cudaError_t.cudaErrorInvalidValue,)
    if stream in _streams:
        ctypes.memmove(target, source, count)
    return (_judge(stream),)


def cudaGetErrorString(error):
    return cudaError_t.cudaSuccess, WORDS[error]


def count_reserved():
    """Bytes that are taken: for tests."""
    return sum(map(len, _memory.values()))


def holds(address, count, stream):
    """Whether work on a stream may use memory there: for the stand-in of TensorRT."""
    return len(_memory.get(address, b"")) >= count and stream in _streams


def _judge(stream):
    return (
        cudaError_t.cudaSuccess
        if stream in _streams
        else cudaError_t.cudaErrorInvalidResourceHandle
    )
