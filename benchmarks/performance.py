"""All timings beside their peers, into docs/performance.md.

    python -m benchmarks.performance [PART...] [--runs N] [--threads N]

Without a part all are measured, which takes most of an hour on two cores. What is measured takes
the place of what was measured before; the page is written anew from both.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from rich.console import Console
from rich.table import Table

from benchmarks.around_network import measure_around
from benchmarks.cold_start import measure_cold_start
from benchmarks.figures import Guard, Row, describe_here, keep, read_record, show_number
from benchmarks.guard import measure_guard
from benchmarks.jobs_per_hour import build_rows as build_job_rows
from benchmarks.jobs_per_hour import measure as measure_jobs
from benchmarks.lyu_cascade import measure_lyu
from benchmarks.network_times import build_rows, measure_networks
from benchmarks.patients import OPENKBP, write_patient
from benchmarks.performance_page import write_page
from benchmarks.structure_sets import measure_structure_sets
from benchmarks.throughput import RECORD as JOBS_RECORD
from benchmarks.throughput import write_record
from benchmarks.whole_job import measure_whole_job
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom

SHORT, LONG, APART_MM = 128, 215, 2.5
TWICE = 2  # evaluated at a time


@dataclass(frozen=True)
class Bench:
    """What a part is measured with."""

    folder: Path
    threads: int
    runs: int
    tell: Callable[[str], None]

    def make_patient(self, slices: int) -> Path:
        """A patient's head and neck on so many slices."""
        series = self.folder / f"patient-{slices}"
        if not series.is_dir():
            self.tell(f"writing {slices} slices")
            write_patient(series, slices)
        return series

    def make_phantom(self, slices: int) -> Path:
        """A phantom's head, neck and trunk on so many slices."""
        series = self.folder / f"phantom-{slices}"
        if not series.is_dir():
            series.mkdir()
            write_phantom(series, scan=Scan(slice_offsets_mm=even_offsets(slices, APART_MM)))
        return series


def _whole_jobs(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for slices in (SHORT, LONG):
        series = bench.make_patient(slices)
        rows += measure_whole_job(series, slices, bench.threads, bench.runs, bench.tell)
    return rows


def _around(bench: Bench) -> list[Row]:
    return measure_around(
        bench.make_phantom(LONG), LONG, bench.threads, min(bench.runs, 2), bench.tell
    )


def _lyu(bench: Bench) -> list[Row]:
    return measure_lyu(bench.folder, bench.threads, bench.tell)


def _networks(bench: Bench) -> list[Row]:
    return build_rows(measure_networks(bench.threads, bench.runs, bench.tell))


def _structure_sets(bench: Bench) -> list[Row]:
    series = bench.make_phantom(SHORT)
    return measure_structure_sets(series, min(bench.runs, 2), bench.tell)


def _cold_start(bench: Bench) -> list[Row]:
    return [measure_cold_start(bench.make_patient(SHORT), SHORT, bench.runs, bench.tell)]


PARTS: Mapping[str, Callable[[Bench], list[Row]]] = MappingProxyType(
    {
        "whole-job": _whole_jobs,
        "lyu": _lyu,
        "around-network": _around,
        "networks": _networks,
        "structure-sets": _structure_sets,
        "cold-start": _cold_start,
    }
)
JOBS, GUARD = "jobs-per-hour", "guard"
ALL = (*PARTS, JOBS, GUARD)


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="Measure all that docs/performance.md tells.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(ALL)}")
    parser.add_argument("--runs", type=int, default=3, help="warm runs of each")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if unknown := set(options.parts) - {*ALL}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    console = Console()
    with TemporaryDirectory() as name:
        for part in options.parts or ALL:
            rows, guard = _measure(part, Path(name), options, console)
            keep(part, describe_here(rows, datetime.now(UTC).date(), guard))
            write_page(read_record())
            _show(console, rows, guard)


def _measure(
    part: str, folder: Path, options: argparse.Namespace, console: Console
) -> tuple[list[Row], Guard | None]:
    if part == JOBS:  # with bars of its own
        measurement = measure_jobs()
        write_record(measurement, JOBS_RECORD)
        return build_job_rows(measurement), None
    with console.status(part) as status:
        bench = Bench(folder, options.threads, options.runs, status.update)
        if part == GUARD:
            return [], measure_guard(OPENKBP, TWICE, bench.tell)
        return PARTS[part](bench), None


def _show(console: Console, rows: Sequence[Row], guard: Guard | None) -> None:
    table = Table("what", "Oarlock", "beside it", "ratio", "aim", "met")
    for row in rows:
        beside = "" if row.theirs is None else f"{row.peer}: {show_number(row.theirs)} {row.unit}"
        aim = "" if row.aim is None else f"{row.aim.side} {row.aim.limit:.3g}"
        met = {True: "yes", False: "no", None: ""}[row.is_met]
        table.add_row(
            row.what, f"{show_number(row.ours)} {row.unit}", beside, f"{row.ratio:.2f}", aim, met
        )
    if rows:
        console.print(table)
    if guard is not None:
        worst = max(guard.falls, key=lambda name: guard.falls[name])
        console.print(
            f"accuracy: the mean falls by {guard.mean_fall:.4f}, most {worst}: "
            f"{guard.falls[worst]:.4f}"
        )


if __name__ == "__main__":
    main()
