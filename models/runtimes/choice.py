"""Which runtime runs a network: the one that a site asks for, or the best that is usable here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from contouring.errors import EngineMissingError, RuntimeMissingError, UnusableRuntimeError
from contouring.recipe import Predictor
from models.card import StageCard
from models.processor import read_processor
from models.runtime_names import RuntimeName
from models.runtimes.engine_folder import EngineFolder

BEST_FIRST = (
    RuntimeName.TENSORRT,
    RuntimeName.ONNX_TENSORRT,
    RuntimeName.ONNX_CUDA,
    RuntimeName.OPENVINO,
    RuntimeName.ONNX_CPU,
)
# What must be installed, and the extras that it comes with.
PACKAGES: Mapping[RuntimeName, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        RuntimeName.TENSORRT: (("tensorrt",), "gpu,tensorrt"),
        RuntimeName.ONNX_TENSORRT: (("onnxruntime", "tensorrt"), "gpu,tensorrt"),
        RuntimeName.ONNX_CUDA: (("onnxruntime",), "gpu"),
        RuntimeName.OPENVINO: (("openvino",), "cpu"),
        RuntimeName.ONNX_CPU: (("onnxruntime",), "cpu"),
    }
)
FLOAT32, FLOAT16, BFLOAT16 = "float32", "float16", "bfloat16"


class NetworkPredictor(Predictor, Protocol):
    """What each file beside this one implements."""

    takes_any_window: bool

    @property
    def name(self) -> str:
        """Runtime, version and device."""


@dataclass(frozen=True)
class RuntimePlan:
    """What a site wants its networks to run on.

    `threads` of a CPU, all of them if None; `on_cpu` spares the GPU's memory; `engines`: the folder
    of those that are built; `accepted`: precisions below float32 that passed the model's gate.
    """

    runtime: RuntimeName = RuntimeName.AUTO
    threads: int | None = None
    on_cpu: bool = False
    engines: Path | None = None
    accepted: frozenset[str] = frozenset()

    @property
    def candidates(self) -> tuple[RuntimeName, ...]:
        """What is tried, in this order."""
        wanted = BEST_FIRST if self.runtime is RuntimeName.AUTO else (self.runtime,)
        if not self.on_cpu:
            return wanted
        on_cpu = tuple(one for one in BEST_FIRST if one.runs_on_cpu)
        return tuple(one for one in wanted if one.runs_on_cpu) or on_cpu


@dataclass(frozen=True)
class OpenedNetwork:
    """`passed_over`: why better runtimes, though installed, do not run it.

    `unbuilt`: those that have no engine for it, where what runs it needs none.
    """

    predictor: NetworkPredictor
    passed_over: tuple[str, ...] = ()
    unbuilt: tuple[str, ...] = ()


def open_network(folder: Path, stage: StageCard, channels: int, plan: RuntimePlan) -> OpenedNetwork:
    """Load a network into the first runtime that can be used.

    Raises `RuntimeMissingError` or `UnusableRuntimeError` where none can, and `InvalidBundleError`
    if the graph does not fit its card.
    """
    passed_over: list[UnusableRuntimeError] = []
    missing: RuntimeMissingError | None = None
    for runtime in plan.candidates:
        try:
            predictor = _open(runtime, folder, stage, channels, plan)
        except UnusableRuntimeError as error:
            passed_over.append(error)
        except RuntimeMissingError as error:
            missing = error
        else:
            return _tell(predictor, runtime, passed_over)
    if passed_over:
        raise passed_over[0]
    assert missing is not None
    raise missing


def pick_stage(runtime: RuntimeName, stage: StageCard, plan: RuntimePlan) -> tuple[StageCard, str]:
    """The stage with the artifact that this runtime loads, and the precision it computes in."""
    if not runtime.runs_on_cpu and FLOAT16 in plan.accepted and stage.half is not None:
        return stage.in_half(), FLOAT16
    is_bfloat16 = BFLOAT16 in plan.accepted and read_processor().has_bfloat16
    if runtime is RuntimeName.OPENVINO and is_bfloat16:
        return stage, BFLOAT16
    return stage, FLOAT32


def is_installed(runtime: RuntimeName) -> bool:
    """Whether its packages are there; not whether they work."""
    packages, _ = PACKAGES[runtime]
    return all(find_spec(package) is not None for package in packages)


def _tell(
    predictor: NetworkPredictor, runtime: RuntimeName, errors: Sequence[UnusableRuntimeError]
) -> OpenedNetwork:
    """A site builds engines for one runtime: what another lacks is no news."""
    broken = [str(one) for one in errors if not isinstance(one, EngineMissingError)]
    unbuilt = [str(one) for one in errors if isinstance(one, EngineMissingError)]
    return OpenedNetwork(predictor, tuple(broken), () if runtime.runs_engines else tuple(unbuilt))


def _open(
    runtime: RuntimeName, folder: Path, stage: StageCard, channels: int, plan: RuntimePlan
) -> NetworkPredictor:
    if not is_installed(runtime):
        raise RuntimeMissingError(runtime, PACKAGES[runtime][1])
    engines = None if plan.engines is None else EngineFolder(plan.engines)
    loaded, precision = pick_stage(runtime, stage, plan)
    opener = _import(runtime)
    if runtime is RuntimeName.TENSORRT:
        return opener(folder, loaded, channels, engines, precision)
    if runtime is RuntimeName.OPENVINO:
        return opener(folder, loaded, channels, plan.threads, precision)
    return opener(
        folder, loaded, channels, plan.threads, runtime, engines=engines, precision=precision
    )


def _import(runtime: RuntimeName) -> Callable[..., NetworkPredictor]:
    try:
        if runtime is RuntimeName.TENSORRT:
            from models.runtimes.tensorrt_runtime import TensorRtPredictor

            return TensorRtPredictor
        if runtime is RuntimeName.OPENVINO:
            from models.runtimes.openvino_runtime import OpenVinoPredictor

            return OpenVinoPredictor
        from models.runtimes.onnx_runtime import OnnxPredictor
    except (ImportError, OSError) as error:  # a library that it needs is missing, or of another age
        raise UnusableRuntimeError(runtime, f"{error}.") from error
    return OnnxPredictor
