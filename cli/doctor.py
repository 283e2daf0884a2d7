"""`oarlock doctor`: what this machine will run networks on, why, and how fast."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.console import FAILURE, AsJson, err, out, warn
from cli.progress_bars import show_bar
from contouring.errors import RuntimeUnavailableError
from models.bundles import RELEASED, Bundle, find_bundles, pick_bundle
from models.runtime_names import RuntimeName
from workers.settings import Settings

if TYPE_CHECKING:
    from models.runtimes.check_up import ModelTiming, RuntimeFinding


def doctor(
    as_json: AsJson = False,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Time this model alone; may be repeated.")
    ] = None,
) -> None:
    """Show the runtimes of this machine, which of them is used and why, and time the models.

    Leaves with 1 where the runtime that OARLOCK_RUNTIME asks for cannot be used.
    """
    # Loads the runtimes, which most other commands do without.
    from models.processor import read_processor
    from models.runtimes.check_up import examine_runtimes

    settings = Settings()
    bundles = find_bundles((RELEASED, *settings.model_folders), settings.model_keys)
    if model:
        bundles = {name: pick_bundle(bundles, name) for name in model}
    # Engines are built for a model: the one that most jobs ask for tells whether there are any.
    usual = bundles.get(settings.default_model, next(iter(bundles.values())))
    processor = read_processor()
    findings = examine_runtimes(settings.engine_folder, usual)
    used = _find_used(findings, settings.runtime)
    timings, advice = ([], []) if used is None else _time(bundles, settings)
    fault = _find_decoder_fault()
    if as_json:
        answer = {
            "processor": asdict(processor),
            "threads": settings.threads or processor.cores,
            "runtime": {"wanted": settings.runtime, "used": used and used.name},
            "runtimes": [asdict(one) for one in findings],
            "engines": str(settings.engine_folder),
            "decoders": {"fault": fault},
            "models": [asdict(one) for one in timings],
            "advice": advice,
        }
        typer.echo(json.dumps(answer, indent=1))
    else:
        abilities = ", ".join(processor.abilities) or "none of the abilities that would help"
        out.print(escape(f"{processor.name}, {processor.cores} cores, {abilities}"))
        out.print(_tabulate_runtimes(findings, used))
        if timings:
            out.print(_tabulate_times(timings))
            told = [f"{one.model}: {line}" for one in timings for line in _tell(one)]
            for line in (*told, *advice):
                out.print(line, markup=False, highlight=False, soft_wrap=True)
    if fault:
        warn(f"compressed pixels: {fault}")
    if used is None:
        err.print(
            f"OARLOCK_RUNTIME={settings.runtime} cannot be used on this machine.", highlight=False
        )
        raise typer.Exit(FAILURE)


def _find_decoder_fault() -> str:
    """Empty where decoders of compressed pixels run, held to few system calls."""
    from contouring.decoders import find_filtered

    try:
        is_filtered = find_filtered()
    except OSError as error:
        return f"{error}."
    if is_filtered:
        return ""
    return (
        "their decoders may make any system call here, for the kernel or the container refuses a "
        "filter (seccomp); see docs/security.md."
    )


def _find_used(findings: Sequence[RuntimeFinding], wanted: RuntimeName) -> RuntimeFinding | None:
    """As `open_network` would choose."""
    usable = (one for one in findings if one.is_usable)
    return next((one for one in usable if wanted in (RuntimeName.AUTO, one.name)), None)


def _time(bundles: Mapping[str, Bundle], settings: Settings) -> tuple[list[ModelTiming], list[str]]:
    """Without those that the runtime which was asked for cannot run: each is told.

    And what would be faster, where the choice is Oarlock's own.
    """
    from models.runtimes.check_up import find_faster_on_cpu, time_model

    timings, advice = [], []
    with show_bar("models") as done:
        for number, name in enumerate(sorted(bundles)):
            bundle, threads = bundles[name], settings.threads
            try:
                used = time_model(bundle, settings.runtime, threads, settings.engine_folder)
            except RuntimeUnavailableError as error:
                warn(f"{name}: {error}")
            else:
                timings.append(used)
                if settings.runtime is RuntimeName.AUTO:
                    faster = find_faster_on_cpu(used, bundle, threads)
                    advice += [] if faster is None else [_advise(used, faster)]
            done((number + 1) / len(bundles))
    return timings, advice


def _tell(timing: ModelTiming) -> tuple[str, ...]:
    return (timing.precision, *timing.unbuilt)


def _advise(used: ModelTiming, faster: ModelTiming) -> str:
    return (
        f"{used.model}: {faster.runtime} takes {faster.next_seconds:.2f} s a window here, where "
        f"{used.runtime} takes {used.next_seconds:.2f} s; OARLOCK_RUNTIME={faster.name} asks for it"
    )


def _tabulate_runtimes(findings: Sequence[RuntimeFinding], used: RuntimeFinding | None) -> Table:
    table = Table("runtime, the best first", "version", "here")
    for one in findings:
        state = "is used" if one is used else one.fault or "can be used"
        table.add_row(one.name, escape(one.version), escape(state))
    return table


def _tabulate_times(timings: Sequence[ModelTiming]) -> Table:
    table = Table("model", "runs on", "window", "the first, with opening", "each later one")
    for one in timings:
        window = " x ".join(str(side) for side in one.window_zyx)
        first, later = f"{one.first_seconds:.2f} s", f"{one.next_seconds:.2f} s"
        table.add_row(one.model, escape(one.runtime), window, first, later)
    return table
