"""Building what a model needs of a runtime that runs engines, once and never during a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contouring.errors import EngineBuildError, RuntimeMissingError, UnusableRuntimeError
from models.artifacts import read_artifact
from models.bundles import Bundle
from models.card import StageCard
from models.runtime_names import RuntimeName
from models.runtimes.choice import PACKAGES, RuntimePlan, is_installed, pick_stage
from models.runtimes.engine_folder import (
    ENGINE,
    EngineFolder,
    EngineIdentity,
    identify,
    write_whole,
)
from models.runtimes.gpu_platform import Platform

TIMINGS = "timings.cache"


@dataclass(frozen=True)
class EngineOrder:
    """One network of a bundle, and the engine that it needs here."""

    bundle: Bundle
    stage: StageCard
    identity: EngineIdentity


def find_here(runtime: RuntimeName) -> Platform:
    """What engines are built for on this machine; raises `RuntimeUnavailableError` without it."""
    if not is_installed(runtime):
        raise RuntimeMissingError(runtime, PACKAGES[runtime][1])
    try:
        if runtime is RuntimeName.TENSORRT:
            from models.runtimes.tensorrt_runtime import find_own_platform
        else:
            from models.runtimes.onnx_runtime import find_own_platform
    except (ImportError, OSError) as error:
        raise UnusableRuntimeError(runtime, f"{error}.") from error
    return find_own_platform()


def order_engines(
    bundle: Bundle, runtime: RuntimeName, platform: Platform
) -> tuple[EngineOrder, ...]:
    """What `runtime` needs for a bundle on this platform, the localizer's first."""
    plan = RuntimePlan(runtime, accepted=bundle.card.accepted_precisions)
    orders = []
    for stage in (bundle.card.localizer, bundle.card.segmenter):
        if stage is not None:
            loaded, precision = pick_stage(runtime, stage, plan)
            identity = identify(runtime, loaded, precision, platform)
            orders.append(EngineOrder(bundle, loaded, identity))
    return tuple(orders)


def build_ordered(order: EngineOrder, engines: EngineFolder, now: datetime) -> tuple[Path, ...]:
    """Build an engine, in minutes, and keep it; answers with its files.

    Raises `EngineBuildError` where the runtime cannot make one of this graph.
    """
    content = read_artifact(order.bundle.folder, order.stage)
    engines.folder_of(order.identity.runtime).mkdir(parents=True, exist_ok=True)
    if order.identity.runtime == RuntimeName.TENSORRT:
        return _build_natively(order, content, engines, now)
    return _build_within_onnx_runtime(order, content, engines, now)


def _build_natively(
    order: EngineOrder, content: bytes, engines: EngineFolder, now: datetime
) -> tuple[Path, ...]:
    from models.runtimes.tensorrt_building import build_engine

    # Of this GPU and version alone: TensorRT ignores that of another one.
    timings = engines.folder_of(RuntimeName.TENSORRT) / TIMINGS
    known = timings.read_bytes() if timings.is_file() else b""
    engine, learned = build_engine(content, order.stage, order.identity.plan, known)
    write_whole(timings, learned)
    name = order.bundle.card.name
    return engines.keep(order.identity, name, now, {f"{order.identity.stem}{ENGINE}": engine})


def _build_within_onnx_runtime(
    order: EngineOrder, content: bytes, engines: EngineFolder, now: datetime
) -> tuple[Path, ...]:
    """It writes its files by itself, as its session opens; they count once a window was run."""
    from models.runtimes.onnx_runtime import build_within

    identity = order.identity
    engines.forget(identity)  # what lies there is loaded, and not built
    build_within(content, order.stage, identity, engines, order.bundle.folder)
    files = engines.folder_of(identity.runtime).glob(f"{identity.stem}*")
    built = [file for file in files if file.suffix in (ENGINE, ".profile")]
    if not any(file.suffix == ENGINE for file in built):
        raise EngineBuildError(
            identity.runtime, identity.artifact, "ONNX Runtime kept no engine of it."
        )
    return engines.record(identity, order.bundle.card.name, now, built)
