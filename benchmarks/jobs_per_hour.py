"""Jobs per hour of one, two and four workers, each pinned to cores of its own.

    python -m benchmarks.jobs_per_hour [--workers 1 2 ...] [--jobs N] [--rounds N] [--record FILE]

The whole way: Redis, the service, uploads by HTTP of 512 x 512 x 128 series, each with UIDs of its
own, and `hn-oar` in real worker processes. One worker with two cores is measured beside them. All
jobs of a set-up are in line before its workers start, so that none ever waits and nothing but the
jobs runs; uploads are timed apart. Set-ups take turns, so that a drifting machine slows all alike.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from pydicom.dataset import FileDataset
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from benchmarks.figures import Aim, Row
from benchmarks.other_load import OtherLoad
from benchmarks.pinned_site import PinnedSite, run_pinned_site
from benchmarks.series_copies import make_slices, write_copy
from benchmarks.throughput import (
    RECORD,
    Measurement,
    Run,
    SetUp,
    build_run,
    summarize,
    write_record,
)
from models.processor import read_processor

MODEL = "hn-oar"
WORKERS = (1, 2, 4)
PEER_CORES = 2  # of the one worker that has more than one
AIM = Aim("at least", 1.6)  # two workers to one


def measure(
    workers: Sequence[int] = WORKERS, jobs: int = 5, rounds: int = 2, model: str = MODEL
) -> Measurement:
    """Run every set-up that this machine has cores for: some minutes, told on the terminal.

    `jobs`: of each worker in each round, besides its first.
    """
    set_ups = build_set_ups(workers, sorted(os.sched_getaffinity(0)))
    runs: dict[SetUp, list[Run]] = {set_up: [] for set_up in set_ups}
    upload_s: list[float] = []
    with TemporaryDirectory(prefix="jobs-per-hour-") as folder, _open_progress() as progress:
        slices = make_slices(Path(folder))
        for number in range(rounds):
            for set_up in set_ups:
                told, count = f"round {number + 1}: {set_up.name}", set_up.workers * (jobs + 1)
                with run_pinned_site() as site:
                    sending = progress.track(range(count), description=f"{told}, uploads")
                    upload_s += _upload(site, slices, model, sending)
                    running = progress.add_task(f"{told}, jobs", total=count)
                    runs[set_up].append(_run(site, set_up, progress, running))
                    runtime = site.read_runtime()
    return Measurement(
        model=model,
        series=f"{slices[0].Columns} x {slices[0].Rows} x {len(slices)}",
        machine=f"{read_processor().name}, {os.cpu_count()} cores, {runtime}",
        measured_on=datetime.now(UTC).date().isoformat(),
        upload_s=median(upload_s),
        rows=tuple(summarize(set_up, of_rounds) for set_up, of_rounds in runs.items()),
    )


def build_set_ups(workers: Sequence[int], cores: Sequence[int]) -> list[SetUp]:
    """A core for each worker, as far as there are cores; and one worker with two of them."""
    set_ups = [
        SetUp(tuple((core,) for core in cores[:count])) for count in workers if count <= len(cores)
    ]
    if not set_ups:
        raise ValueError(f"this process may use {len(cores)} cores: ask for no more workers")
    peer = [SetUp((tuple(cores[:PEER_CORES]),))] if len(cores) >= PEER_CORES else []
    return set_ups + peer


def build_rows(measured: Measurement) -> list[Row]:
    """For docs/performance.md: two workers beside one, if both were measured."""
    one, two = measured.find(1, 1), measured.find(2, 1)
    if one is None or two is None:
        return []
    return [
        Row(
            group="Jobs per hour",
            what=f"{measured.model}, {measured.series}, {two.name}",
            unit="jobs per hour",
            ours=two.jobs_per_hour,
            peer=one.name,
            theirs=one.jobs_per_hour,
            aim=AIM,
            note=f"Others kept {two.other_cores:.2f} cores busy meanwhile; {one.other_cores:.2f} "
            "beside the one worker.",
        )
    ]


def _upload(
    site: PinnedSite, slices: Sequence[FileDataset], model: str, numbers: Iterable[int]
) -> list[float]:
    """Send copies of the series; seconds of each."""
    seconds = []
    for number in numbers:
        with TemporaryDirectory() as folder:
            files = write_copy(slices, Path(folder), number)
            began = perf_counter()
            site.send(files, model)
            seconds.append(perf_counter() - began)
    return seconds


def _run(site: PinnedSite, set_up: SetUp, progress: Progress, task: TaskID) -> Run:
    """Let the workers end all that was sent."""
    load = OtherLoad()
    spans = site.run_jobs(set_up.cores, lambda done: progress.update(task, completed=done))
    return build_run(spans, load.measure_cores())


def _open_progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def main() -> None:
    """Measure, keep the record, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, metavar="N")
    parser.add_argument("--jobs", type=int, default=5, help="of each worker, besides its first")
    parser.add_argument("--rounds", type=int, default=2, help="how often each set-up is run")
    parser.add_argument("--record", type=Path, default=RECORD, help="JSON file to keep it in")
    options = parser.parse_args()
    measurement = measure(options.workers, options.jobs, options.rounds)
    write_record(measurement, options.record)
    _report(measurement)


def _report(measurement: Measurement) -> None:
    console = Console(width=100)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("", "jobs per hour", "warm job", "first job", "cores that others used"):
        table.add_column(heading, justify="right" if heading else "left")
    for row in measurement.rows:
        seconds = (f"{row.warm_job_s:.1f} s", f"{row.first_job_s:.1f} s")
        table.add_row(row.name, f"{row.jobs_per_hour:.0f}", *seconds, f"{row.other_cores:.2f}")
    console.print(table)
    console.print(
        f"{measurement.model}, {measurement.series}, medians; {measurement.machine}; "
        f"{measurement.measured_on}. A series is uploaded in {measurement.upload_s:.1f} s."
    )
    if not measurement.is_quiet:
        console.print("The machine was not quiet: measure again.")
    if measurement.two_to_one is not None:
        console.print(
            f"Two workers end {measurement.two_to_one:.2f} times as many jobs as one "
            f"(aim: {AIM.side} {AIM.limit})."
        )


if __name__ == "__main__":
    main()
