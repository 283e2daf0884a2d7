"""TensorRT: an engine is its graph and the profile that it was built for."""

from __future__ import annotations

import ctypes
import json
import math
import os
from enum import IntEnum

import numpy as np
import onnxruntime
from cuda.bindings import runtime as cuda

__version__ = os.environ.get("STAND_IN_TENSORRT", "10.16.1.11")
MARK = b"stand-in engine "


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = Severity

    def __init__(self):
        self.is_made = True


class NetworkDefinitionCreationFlag(IntEnum):
    EXPLICIT_BATCH = 0
    STRONGLY_TYPED = 1


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class BuilderFlag(IntEnum):
    TF32 = 1


class TensorIOMode(IntEnum):
    INPUT = 1
    OUTPUT = 2


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1
    DOUBLE = 2


TYPES = {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}


class _Tensor:
    def __init__(self, node):
        self.name = node.name
        self.dtype = TYPES.get(node.type, DataType.DOUBLE)
        self.shape = tuple(side if isinstance(side, int) else -1 for side in node.shape)


def _open(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


class INetworkDefinition:
    def __init__(self, flags):
        self.is_strongly_typed = bool(flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        self.content, self.inputs, self.outputs = b"", [], []

    @property
    def num_inputs(self):
        return len(self.inputs)

    @property
    def num_outputs(self):
        return len(self.outputs)

    def get_input(self, index):
        return self.inputs[index]

    def get_output(self, index):
        return self.outputs[index]

    def unmark_output(self, tensor):
        self.outputs.remove(tensor)


class OnnxParser:
    def __init__(self, network, logger):
        assert logger.is_made
        self._network, self._errors = network, []

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]

    def parse(self, content):
        try:
            session = _open(content)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no parent
            self._errors.append(f"In node -1 (parse): {error}")
            return False
        self._network.content = content
        self._network.inputs = [_Tensor(one) for one in session.get_inputs()]
        self._network.outputs = [_Tensor(one) for one in session.get_outputs()]
        return True


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, name, minimum, optimum, maximum):
        for low, best, high in zip(minimum, optimum, maximum, strict=True):
            assert low <= best <= high
        self.shapes[name] = [tuple(minimum), tuple(optimum), tuple(maximum)]


class ITimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return memoryview(self.content + b".")


class IBuilderConfig:
    def __init__(self):
        self.flags, self.profiles, self.cache = {BuilderFlag.TF32}, [], None

    def set_memory_pool_limit(self, pool, size):
        assert pool is MemoryPoolType.WORKSPACE
        assert size > 0

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def create_timing_cache(self, content):
        return ITimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        self.cache = cache
        return True

    def get_timing_cache(self):
        return self.cache

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return 0


class Builder:
    def __init__(self, logger):
        self._logger = logger

    def create_network(self, flags=0):
        return INetworkDefinition(flags)

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        (profile,) = config.profiles
        for tensor in network.inputs:
            fitting = profile.shapes.get(tensor.name, [()])
            for shape in fitting:
                if len(shape) != len(tensor.shape) or any(
                    stated not in (-1, side)
                    for stated, side in zip(tensor.shape, shape, strict=True)
                ):
                    self._logger.log(
                        Severity.ERROR, f"{tensor.name}: no profile for {tensor.shape}"
                    )
                    return None
        facts = {
            "version": __version__,
            "profile": profile.shapes,
            "outputs": [one.name for one in network.outputs],
            "strongly_typed": network.is_strongly_typed,
            "tf32": BuilderFlag.TF32 in config.flags,
        }
        return memoryview(MARK + json.dumps(facts).encode() + b"\n" + network.content)


class Runtime:
    def __init__(self, logger):
        self._logger = logger

    def deserialize_cuda_engine(self, content):
        head, _, graph = content.removeprefix(MARK).partition(b"\n")
        if not content.startswith(MARK) or json.loads(head)["version"] != __version__:
            self._logger.log(Severity.ERROR, "The engine plan file is not compatible")
            return None
        return ICudaEngine(json.loads(head), graph, self._logger)


class ICudaEngine:
    def __init__(self, facts, graph, logger):
        self.facts, self.session, self.logger = facts, _open(graph), logger
        outputs = [one for one in self.session.get_outputs() if one.name in facts["outputs"]]
        self._tensors = {one.name: _Tensor(one) for one in (*self.session.get_inputs(), *outputs)}

    @property
    def num_io_tensors(self):
        return len(self._tensors)

    def get_tensor_name(self, index):
        return [*self._tensors][index]

    def get_tensor_mode(self, name):
        return TensorIOMode.OUTPUT if name in self.facts["outputs"] else TensorIOMode.INPUT

    def get_tensor_dtype(self, name):
        return self._tensors[name].dtype

    def get_tensor_shape(self, name):
        return self._tensors[name].shape

    def create_execution_context(self):
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine):
        self._engine, self._shapes, self._addresses = engine, {}, {}

    def set_input_shape(self, name, shape):
        least, _, largest = self._engine.facts["profile"][name]
        if not all(
            low <= side <= high for low, side, high in zip(least, shape, largest, strict=True)
        ):
            self._engine.logger.log(Severity.ERROR, f"{tuple(shape)} is not in the profile")
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        if name in self._shapes:
            return self._shapes[name]
        (image,) = self._shapes.values()
        stated = self._engine.get_tensor_shape(name)
        return tuple(
            given if side == -1 else side for side, given in zip(stated, image, strict=True)
        )

    def set_tensor_address(self, name, address):
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        arrays = {}
        for name, address in self._addresses.items():
            shape = self.get_tensor_shape(name)
            size = math.prod(shape) * 4
            if not cuda.holds(address, size, stream_handle):
                self._engine.logger.log(Severity.ERROR, f"{name}: illegal memory access")
                return False
            memory = (ctypes.c_float * math.prod(shape)).from_address(address)
            arrays[name] = np.ctypeslib.as_array(memory).reshape(shape)
        (image,) = self._shapes
        (logits,) = self._engine.facts["outputs"]
        (answer,) = self._engine.session.run([logits], {image: arrays[image]})
        arrays[logits][...] = answer
        return True
