"""The whole line on a 512 x 512 x 128 series, beside the same work done the usual way.

    python -m benchmarks.pipeline [--series FOLDER] [--runs N]

Each way runs in a process of its own, the two in turn, so that peak memory is each one's own and a
drifting machine slows both alike. Reported are medians of warm runs; the first run, which loads the
model, stands apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from models.training.case_series import write_case
from models.training.cases import read_cases

OPENKBP = Path(__file__).resolve().parents[2] / "shared" / "openkbp"
WAYS = {"Oarlock": "benchmarks.our_way", "usual way": "benchmarks.usual_way"}
COLUMNS = 512
SLICES = 128


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description="Time the pipeline, stage by stage.")
    parser.add_argument("--series", type=Path, help="a CT series; by default a made one")
    parser.add_argument("--runs", type=int, default=3, help="warm runs of each way")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        series = options.series or _made_series(Path(folder))
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS}
        processes = {name: _start(module, series, options.threads) for name, module in WAYS.items()}
        for _ in range(options.runs + 1):
            for name, process in processes.items():
                results[name].append(_run(process))
        for process in processes.values():
            process.communicate(timeout=60)
    _report(results, options.threads)


def _made_series(folder: Path) -> Path:
    """A patient of the `val` split on a clinic's pixels, or the phantom where there is none."""
    if OPENKBP.is_dir():
        write_case(read_cases(OPENKBP, "val")[0], folder, COLUMNS)
    else:
        write_phantom(folder, scan=Scan(slice_offsets_mm=even_offsets(SLICES, 2.5)))
    return folder


def _start(module: str, series: Path, threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, str(series), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )


def _run(process: subprocess.Popen[str]) -> dict[str, Any]:
    """One run of a waiting process: a line to it, a line of JSON back."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    process.stdin.write("run\n")
    process.stdin.flush()
    while line := process.stdout.readline():
        if line.startswith("{"):
            return dict(json.loads(line))
    raise RuntimeError(f"{process.args} ended with {process.wait()}")


def _report(results: dict[str, list[dict[str, Any]]], threads: int) -> None:
    console = Console(width=100)
    console.print(f"{platform.processor() or platform.machine()}, {threads} threads")
    table = Table("way", "stage", "first run, s", "warm median, s")
    for name, runs in results.items():
        for stage in [*runs[0]["seconds"], "total"]:
            first, *warm = (_seconds(run, stage) for run in runs)
            table.add_row(name, stage, f"{first:.2f}", f"{median(warm):.2f}")
        table.add_row(name, "peak memory, GB", "", f"{runs[-1]['peak_bytes'] / 1e9:.2f}")
        table.add_section()
    console.print(table)
    ours, usual = (_warm_total(runs) for runs in results.values())
    console.print(f"The usual way takes {usual / ours:.1f} times as long.")


def _seconds(run: dict[str, Any], stage: str) -> float:
    seconds: dict[str, float] = run["seconds"]
    return sum(seconds.values()) if stage == "total" else seconds[stage]


def _warm_total(runs: Sequence[dict[str, Any]]) -> float:
    return median(_seconds(run, "total") for run in runs[1:])


if __name__ == "__main__":
    main()
