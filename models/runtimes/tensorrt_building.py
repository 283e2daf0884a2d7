"""From an ONNX file to a TensorRT engine for the GPU of this machine; this takes minutes."""

from __future__ import annotations

from typing import Any

import tensorrt

from contouring.errors import EngineBuildError
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.engine_plans import EnginePlan
from models.runtimes.tensorrt_library import Words

WORKSPACE_BYTES = 4 << 30


def build_engine(
    content: bytes, stage: StageCard, plan: EnginePlan, timings: bytes = b""
) -> tuple[bytes, bytes]:
    """A serialised engine, and what was learned of this GPU for the next one (`timings`).

    Precision is in the graph's types (TensorRT 11 knows no other way): a network is always strongly
    typed. TF32, which TensorRT would take for float32 by itself, is off. Raises `EngineBuildError`.
    """
    words = Words()
    builder = tensorrt.Builder(words)
    network = builder.create_network(_strong_typing())
    parser = tensorrt.OnnxParser(network, words)
    if not parser.parse(content):
        faults = "; ".join(str(parser.get_error(k)) for k in range(parser.num_errors))
        raise EngineBuildError(RuntimeName.TENSORRT, stage.artifact, f"{faults}.")
    _drop_other_outputs(network, stage)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    if not config.set_timing_cache(config.create_timing_cache(timings), ignore_mismatch=False):
        # Of another GPU or version.
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    config.add_optimization_profile(_build_profile(builder, network, stage, plan))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineBuildError(RuntimeName.TENSORRT, stage.artifact, f"{words.take()}.")
    return bytes(engine), bytes(config.get_timing_cache().serialize())


def _drop_other_outputs(network: Any, stage: StageCard) -> None:
    """Those of deep supervision: each would need memory and a copy."""
    outputs = [network.get_output(k) for k in range(network.num_outputs)]
    if stage.output.name in [one.name for one in outputs]:
        for one in outputs:
            if one.name != stage.output.name:
                network.unmark_output(one)


def _build_profile(builder: Any, network: Any, stage: StageCard, plan: EnginePlan) -> Any:
    inputs = [network.get_input(k) for k in range(network.num_inputs)]
    image = next((one for one in inputs if one.name == stage.input.name), None)
    if image is None or len(image.shape) != 5:
        names = ", ".join(f"{one.name} {tuple(one.shape)}" for one in inputs)
        fault = f"its inputs are {names}, not {stage.input.name} (N, 1, z, y, x)."
        raise EngineBuildError(RuntimeName.TENSORRT, stage.artifact, fault)
    shapes = plan.fit([None if side == -1 else side for side in image.shape])
    profile = builder.create_optimization_profile()
    profile.set_shape(image.name, shapes.least, shapes.best, shapes.largest)
    return profile


def _strong_typing() -> int:
    """The flag of TensorRT 10; from 11 on every network is strongly typed, flag or not."""
    flag = getattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)
