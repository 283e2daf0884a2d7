"""`oarlock engines`: what TensorRT needs for this machine, built beforehand and never in a job."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import FAILURE, AsJson, err, out, refuse
from contouring.errors import OarlockError, RuntimeUnavailableError
from models.bundles import RELEASED, find_bundles, pick_bundle
from models.runtime_names import RuntimeName
from workers.settings import Settings

if TYPE_CHECKING:
    from models.runtimes.engine_builds import EngineOrder
    from models.runtimes.engine_folder import EngineFolder, KeptEngine
    from models.runtimes.gpu_platform import Platform

MEBIBYTE = 1024 * 1024
engines = typer.Typer(
    help="Build the engines that TensorRT runs, and list those that are built.",
    no_args_is_help=True,
)


class EngineRuntime(StrEnum):
    """Those of `RuntimeName` that run engines; Typer takes no part of an enumeration."""

    TENSORRT = "tensorrt"
    ONNX_TENSORRT = "onnx-tensorrt"


@engines.command("build")
def build_engines(
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Of this model alone; may be repeated.")
    ] = None,
    runtime: Annotated[
        EngineRuntime, typer.Option(help="What they are for.")
    ] = EngineRuntime.TENSORRT,
    again: Annotated[bool, typer.Option("--again", help="Also those that are built.")] = False,
) -> None:
    """Build the engines of the models for this machine's GPU, driver and version of TensorRT.

    Each takes minutes. Leaves with 1 where one cannot be built.
    """
    from models.runtimes.engine_builds import find_here, order_engines
    from models.runtimes.engine_folder import EngineFolder

    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    wanted = [pick_bundle(bundles, name) for name in model or sorted(bundles)]
    name = RuntimeName(runtime)
    try:
        here = find_here(name)
    except RuntimeUnavailableError as error:
        refuse(str(error))
    _say(
        f"{here.gpu} (compute capability {here.compute_capability}), driver {here.driver}, with "
        f"{here.library}"
    )
    folder = EngineFolder(settings.engine_folder)
    orders = [order for bundle in wanted for order in order_engines(bundle, name, here)]
    built = [_build(order, folder, again) for order in orders]
    if not all(built):
        raise typer.Exit(FAILURE)


def _build(order: EngineOrder, folder: EngineFolder, again: bool) -> bool:
    """Whether there is an engine now."""
    from models.runtimes.engine_builds import build_ordered

    what = f"{order.bundle.card.name}, {order.stage.artifact}, {order.identity.plan.precision}"
    if not again and folder.find(order.identity):
        _say(f"{what}: is built")
        return True
    err.print(f"{what}: building, for minutes ...", markup=False, highlight=False)
    started = time.monotonic()
    try:
        files = build_ordered(order, folder, datetime.now(UTC))
    except (OarlockError, MemoryError) as error:
        err.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return False
    size = sum(file.stat().st_size for file in files) / MEBIBYTE
    _say(f"{what}: built in {time.monotonic() - started:.0f} s, {size:.1f} MiB")
    return True


@engines.command("list")
def list_engines(
    as_json: AsJson = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove those that nothing here can run any more.")
    ] = False,
) -> None:
    """List the engines: of which model, for which GPU, driver and version, and whether they fit.

    Those of another GPU are left alone by --prune: another machine may share the folder.
    """
    from models.runtimes.engine_folder import EngineFolder

    settings = Settings()
    here = _find_platforms()
    kept = EngineFolder(settings.engine_folder).list_all()
    states = [_judge(one, here) for one in kept]
    if as_json:
        told = [_describe(one, state) for one, state in zip(kept, states, strict=True)]
        typer.echo(json.dumps(told, indent=1))
    else:
        for one, state in zip(kept, states, strict=True):
            _say(_tell(one, state))
        _say(f"{len(kept)} engines in {settings.engine_folder}.")
    if prune:
        for one, state in zip(kept, states, strict=True):
            if state in (State.STALE, State.BROKEN):
                one.remove()
                err.print(f"Removed {one.path.stem}.", markup=False, highlight=False)


class State(StrEnum):
    """Whether an engine can run here."""

    FITS = "fits"
    STALE = "stale, for this GPU has another driver or version by now"
    OTHER = "of another GPU"
    UNKNOWN = "unknown, for no GPU works here"
    UNREADABLE = (
        "left alone: its record cannot be read; another version of Oarlock may have built it"
    )
    BROKEN = "broken: files of it are missing"


def _find_platforms() -> Mapping[str, Platform]:
    """What each runtime that works here builds for."""
    from models.runtimes.engine_builds import find_here

    found = {}
    for runtime in EngineRuntime:
        try:
            found[str(runtime)] = find_here(RuntimeName(runtime))
        except RuntimeUnavailableError:
            continue
    return found


def _judge(kept: KeptEngine, here: Mapping[str, Platform]) -> State:
    record = kept.record
    if record is None:
        return State.UNREADABLE
    if not all(file.is_file() for file in kept.files):
        return State.BROKEN
    platform = here.get(record.runtime)
    if platform is None:
        return State.UNKNOWN
    if (record.gpu, record.compute_capability) != (platform.gpu, platform.compute_capability):
        return State.OTHER
    return State.FITS if record.platform == platform else State.STALE


def _describe(kept: KeptEngine, state: State) -> dict[str, Any]:
    record = {} if kept.record is None else kept.record.model_dump(mode="json")
    return {"name": kept.path.stem, "size_bytes": kept.size_bytes, "state": state, **record}


def _tell(kept: KeptEngine, state: State) -> str:
    size, record = f"{kept.size_bytes / MEBIBYTE:.1f} MiB", kept.record
    if record is None:
        return f"{kept.path.stem}, {kept.path.parent.name}, {size}: {state}"
    return (
        f"{record.model} {record.artifact} {record.sha256[:12]}, {record.runtime}, "
        f"{record.precision}, {size}: {state}\n    {record.gpu}, driver {record.driver}, "
        f"{record.library}, built {record.built_at:%Y-%m-%d %H:%M} UTC"
    )


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
