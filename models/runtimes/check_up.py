"""What each runtime does on this machine: whether it can be used, and how long a window takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from contouring.errors import (
    EngineMissingError,
    InferenceError,
    RuntimeMissingError,
    RuntimeUnavailableError,
    UnusableRuntimeError,
)
from contouring.recipe import Cascade
from models.bundles import RELEASED, Bundle, read_bundle
from models.cascades import open_cascade
from models.runtime_names import RuntimeName
from models.runtimes.choice import (
    BEST_FIRST,
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    RuntimePlan,
    pick_stage,
)

SMALLEST = RELEASED / "commissioning"  # opens in a moment
RUNS = 3
FASTER = 0.8  # of the time: less is within what one measurement differs from the next


@dataclass(frozen=True)
class RuntimeFinding:
    """`version`: of a usable runtime, with its device; `fault`: why another one is not."""

    name: RuntimeName
    version: str
    fault: str

    @property
    def is_usable(self) -> bool:
        """Whether networks can run on it."""
        return not self.fault


@dataclass(frozen=True)
class ModelTiming:
    """Seconds of one window of a model's segmenter.

    `first_seconds`: of the first one, with opening the model and preparing the runtime, as the
    first job of a worker has it; `next_seconds`: of each later one (median). `runtime`: `name` with
    version and device; `precision`: what it computes in and why, in words; `unbuilt`: faster
    runtimes that lack its engines.
    """

    model: str
    name: RuntimeName
    runtime: str
    precision: str
    unbuilt: tuple[str, ...]
    window_zyx: tuple[int, int, int]
    first_seconds: float
    next_seconds: float


def examine_runtimes(
    engines: Path | None = None, model: Bundle | None = None
) -> tuple[RuntimeFinding, ...]:
    """Every runtime that Oarlock knows, the best first, each tried on a small network.

    Those that run engines are tried on `model`, whose engines a site has built.
    """
    smallest = read_bundle(SMALLEST)
    return tuple(
        _examine(name, model or smallest if name.runs_engines else smallest, engines)
        for name in BEST_FIRST
    )


def _examine(name: RuntimeName, bundle: Bundle, engines: Path | None) -> RuntimeFinding:
    try:
        cascade = open_cascade(bundle, runtime=name, engines=engines)
        _run_window(cascade)
    except RuntimeMissingError as error:
        return RuntimeFinding(name, "", f"not installed: pip install 'oarlock[{error.extra}]'")
    except UnusableRuntimeError as error:
        return RuntimeFinding(name, "", f"cannot be used: {error.fault}")
    except (InferenceError, MemoryError) as error:
        return RuntimeFinding(name, "", f"fails: {error}")
    return RuntimeFinding(name, cascade.runtime, "")


def time_model(
    bundle: Bundle, runtime: RuntimeName, threads: int | None, engines: Path | None = None
) -> ModelTiming:
    """Open a model as a worker does and run windows; raises `RuntimeUnavailableError`."""
    missing: list[RuntimeUnavailableError] = []
    for name in RuntimePlan(runtime).candidates:
        started = time.perf_counter()
        try:
            cascade = open_cascade(bundle, threads, runtime=name, engines=engines)
        except RuntimeUnavailableError as error:
            missing.append(error)
            continue
        _run_window(cascade)
        first_seconds = time.perf_counter() - started
        unbuilt = [one for one in missing if isinstance(one, EngineMissingError)]
        return ModelTiming(
            bundle.card.name,
            name,
            cascade.runtime,
            _tell_precision(bundle, name),
            () if name.runs_engines else tuple(str(one) for one in unbuilt),
            cascade.segmenter.stage.window_zyx,
            first_seconds,
            median(_run_window(cascade) for _ in range(RUNS)),
        )
    raise missing[0]


def find_faster_on_cpu(
    used: ModelTiming, bundle: Bundle, threads: int | None
) -> ModelTiming | None:
    """Another runtime of the CPU on which the model is faster here; None beside a GPU.

    Which one is differs from network to network, and from processor to processor.
    """
    if not used.name.runs_on_cpu:
        return None
    others = []
    for name in BEST_FIRST:
        if name.runs_on_cpu and name is not used.name:
            with suppress(RuntimeUnavailableError):
                others.append(time_model(bundle, name, threads))
    return pick_faster(used, others)


def pick_faster(used: ModelTiming, others: Sequence[ModelTiming]) -> ModelTiming | None:
    """The fastest of the others, if it is faster by more than chance."""
    best = min(others, key=lambda one: one.next_seconds, default=None)
    return best if best and best.next_seconds < FASTER * used.next_seconds else None


def _tell_precision(bundle: Bundle, runtime: RuntimeName) -> str:
    """Precision below float32 is never taken unmeasured: here stands what is missing."""
    card = bundle.card
    plan = RuntimePlan(runtime, accepted=card.accepted_precisions)
    _, precision = pick_stage(runtime, card.segmenter, plan)
    if precision != FLOAT32:
        return f"{precision}, which passed the model's gate"
    wanted = BFLOAT16 if runtime.runs_on_cpu else FLOAT16
    gate = next((one for one in card.gates if one.precision == wanted), None)
    if runtime is RuntimeName.ONNX_CPU:
        return "float32, the only one of this runtime"
    if gate is None:
        return f"float32, for {wanted} was not measured for this model"
    if not gate.is_passed:
        return f"float32, for {wanted} did not pass the model's gate"
    return "float32, for this processor has no bfloat16"


def _run_window(cascade: Cascade) -> float:
    window = np.zeros((1, *cascade.segmenter.stage.window_zyx), np.float32)
    started = time.perf_counter()
    cascade.segmenter.predictor.predict(window)
    return time.perf_counter() - started
