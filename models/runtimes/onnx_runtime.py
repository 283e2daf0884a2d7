"""ONNX Runtime: on the CPU, or on an NVIDIA GPU by CUDA or by TensorRT within it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnxruntime
import onnxruntime.capi.onnxruntime_pybind11_state as failures
from numpy.typing import NDArray

from contouring.errors import (
    EngineBuildError,
    InferenceError,
    InvalidBundleError,
    UnusableRuntimeError,
)
from models.artifacts import read_artifact
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.bound_session import BoundSession
from models.runtimes.engine_folder import EngineFolder, EngineIdentity, identify, require_engine
from models.runtimes.engine_plans import EnginePlan
from models.runtimes.gpu_platform import Platform, find_platform
from models.runtimes.graph_check import Graph, GraphTensor, check_channels, check_graph, run_windows
from models.runtimes.onnx_providers import (
    ON_CPU,
    VERSION,
    SessionPlan,
    find_heavy_on_cpu,
    load_tensorrt,
    plan_cuda,
    plan_tensorrt,
)

# ONNX Runtime's own errors, which share no parent but Exception.
WRONG_GRAPH = (
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
)
FAILURES = (
    *WRONG_GRAPH,
    failures.EPFail,
    failures.Fail,
    failures.NotImplemented,
    failures.RuntimeException,
)
# It has no error of its own for this; the words are its arena's, the C++ library's and CUDA's.
OUT_OF_MEMORY = re.compile(
    r"failed to allocate|bad_alloc|out of memory|cudaErrorMemoryAllocation|ALLOC_FAILED", re.I
)


class OnnxPredictor:
    """A session on one ONNX file, checked against its card; safe to share between threads.

    Raises `RuntimeMissingError` and `UnusableRuntimeError` where the GPU that was asked for cannot
    be used: a session never goes on without it.
    """

    def __init__(
        self,
        folder: Path,
        stage: StageCard,
        channels: int,
        threads: int | None,
        runtime: RuntimeName = RuntimeName.ONNX_CPU,
        *,
        engines: EngineFolder | None = None,
        precision: str = "float32",
    ) -> None:
        content = read_artifact(folder, stage)
        plan = ON_CPU
        if runtime is RuntimeName.ONNX_CUDA:
            plan = plan_cuda()
        elif runtime is RuntimeName.ONNX_TENSORRT:
            plan = _plan_engines(content, stage, engines, precision)
        session = _open(content, plan, folder, stage, runtime, threads)
        graph = _read_graph(session)
        check_graph(folder, stage, channels, graph)
        self._session = session
        self._bound = None
        if runtime is not RuntimeName.ONNX_CPU:
            self._bound = BoundSession(session, stage.input.name, stage.output.name, plan.device)
        self._name = f"{VERSION} ({', '.join(_describe(session, runtime, precision))})"
        self._input, self._output = stage.input.name, stage.output.name
        self._channels = channels
        self._at_once, self._profile = graph.at_once, None
        if runtime is RuntimeName.ONNX_TENSORRT:
            self._profile = EnginePlan.of(stage).fit(graph.inputs[0].shape)
            self._at_once = self._profile.largest[0]
        self.takes_any_window = graph.takes_any_window

    @property
    def name(self) -> str:
        """What runs."""
        return self._name

    def predict(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (N, channels, z, y, x) of windows (N, z, y, x), both float32.

        One after the other where the graph takes but one at a time. Raises `InferenceError`, and
        `MemoryError` where there is not enough of it.
        """
        return run_windows(self._run, windows, self._at_once)

    def _run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        images = windows[:, None]
        if self._profile is not None and not self._profile.holds(images.shape):
            # ONNX Runtime would build another engine for it, in minutes.
            raise InferenceError(f"No engine is built for a window of {windows.shape[1:]}.")
        try:
            if self._bound is not None:
                logits = self._bound.run(images)
            else:
                (logits,) = self._session.run([self._output], {self._input: images})
        except FAILURES as error:
            _raise_if_memory(error)
            raise InferenceError(
                f"ONNX Runtime failed on a window of {windows.shape[1:]}: {error}"
            ) from error
        check_channels(logits.shape, len(windows), self._channels)
        return np.asarray(logits, np.float32)


def find_own_platform() -> Platform:
    """What its TensorRT builds engines for here; raises `UnusableRuntimeError` without a GPU."""
    return find_platform(RuntimeName.ONNX_TENSORRT, f"{VERSION}, {load_tensorrt()}")


def build_within(
    content: bytes, stage: StageCard, identity: EngineIdentity, engines: EngineFolder, folder: Path
) -> None:
    """Have ONNX Runtime build its engines into the folder, in minutes, and run a window on them.

    Raises `EngineBuildError` where it fails, and `UnusableRuntimeError` where it cannot begin.
    """
    profile = identity.plan.fit(_read_sides(content, stage))
    plan = plan_tensorrt(identity, engines, stage.input.name, profile)
    session = _open(content, plan, folder, stage, RuntimeName.ONNX_TENSORRT, None)
    bound = BoundSession(session, stage.input.name, stage.output.name, plan.device)
    try:
        bound.run(np.zeros(profile.best, np.float32))
    except FAILURES as error:
        _raise_if_memory(error)
        raise EngineBuildError(identity.runtime, stage.artifact, f"{error}.") from error


def _plan_engines(
    content: bytes, stage: StageCard, engines: EngineFolder | None, precision: str
) -> SessionPlan:
    """Raises `EngineMissingError` where it would have to build some."""
    runtime = RuntimeName.ONNX_TENSORRT
    identity = identify(runtime, stage, precision, find_own_platform())
    require_engine(engines, identity)
    assert engines is not None  # or there would be no engine in it
    profile = identity.plan.fit(_read_sides(content, stage))
    return plan_tensorrt(identity, engines, stage.input.name, profile)


def _read_sides(content: bytes, stage: StageCard) -> Sequence[int | None]:
    """Of the graph's input, as far as it states them; the card's word if it has no such input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = {one.name: one for one in _read_graph(session).inputs}
    return inputs[stage.input.name].shape if stage.input.name in inputs else (None,) * 5


def _open(
    content: bytes,
    plan: SessionPlan,
    folder: Path,
    stage: StageCard,
    runtime: RuntimeName,
    threads: int | None,
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    for name, value in plan.config.items():
        options.add_session_config_entry(name, value)
    try:
        # By itself it would print a line and go on with the CPU, at once or in the middle of a job.
        session = onnxruntime.InferenceSession(
            content, options, providers=plan.providers, enable_fallback=0
        )
    except (*FAILURES, RuntimeError, ValueError) as error:
        _refuse(error, folder, stage, runtime)
    wanted = plan.providers[0][0]
    if session.get_providers()[0] != wanted:
        libraries = ", ".join(plan.lacking) or "its libraries"
        raise UnusableRuntimeError(runtime, f"it finds no NVIDIA GPU, or not {libraries}.")
    return session


def _refuse(error: Exception, folder: Path, stage: StageCard, runtime: RuntimeName) -> NoReturn:
    """A GPU that does not work says much the same as a graph that is wrong."""
    _raise_if_memory(error)
    if runtime.runs_on_cpu or isinstance(error, WRONG_GRAPH):
        raise InvalidBundleError(folder, f"{stage.artifact} cannot be loaded: {error}") from error
    raise UnusableRuntimeError(runtime, f"{str(error).strip().rstrip('.')}.") from error


def _describe(
    session: onnxruntime.InferenceSession, runtime: RuntimeName, precision: str
) -> Sequence[str]:
    """Where it runs, what of it runs elsewhere, and in which precision if not in float32."""
    words = [session.get_providers()[0]]
    if runtime is RuntimeName.ONNX_CUDA and (slow := find_heavy_on_cpu(session)):
        words.append(f"{' and '.join(slow)} not on it")
    if precision != "float32":
        words.append(precision)
    return words


def _read_graph(session: onnxruntime.InferenceSession) -> Graph:
    return Graph(
        tuple(_read_tensor(one) for one in session.get_inputs()),
        tuple(_read_tensor(one) for one in session.get_outputs()),
    )


def _read_tensor(tensor: onnxruntime.NodeArg) -> GraphTensor:
    return GraphTensor(
        tensor.name,
        tensor.type,
        tensor.type == "tensor(float)",
        tuple(side if isinstance(side, int) else None for side in tensor.shape),
    )


def _raise_if_memory(error: Exception) -> None:
    if OUT_OF_MEMORY.search(str(error)):
        raise MemoryError(f"ONNX Runtime: {error}") from error
