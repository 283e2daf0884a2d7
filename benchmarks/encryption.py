"""What encryption at rest costs: slices a second that come in, and seconds of a job.

    python -m benchmarks.encryption [--runs N] [--slices N]

Two servers on one machine, one of which encrypts, are asked in turn. A job is the commissioning
model on the phantom of `oarlock phantom`: its network takes next to nothing, so that reading and
writing files weigh more than in any other job.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.ingest import WAYS, time_way
from benchmarks.servers import KEY, Server, run_oarlock
from contouring.phantom_series import SeriesHeader, write_phantom
from workers.encryption.key_ring import add_key

PLAIN, ENCRYPTED = "plain", "encrypted"
JOB_SECONDS = 600
ASK_SECONDS = 0.2
FIGURES = (*(way.name for way in WAYS), "upload of a job, s", "job, s", "of it reading files, s")


def time_job(server: Server, folder: Path, seed: str) -> Iterator[tuple[str, float]]:
    """Seconds of the upload's answer, of the job, and of its stages that read files."""
    files = write_phantom(folder, header=SeriesHeader(seed=seed))
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    url = f"http://127.0.0.1:{server.http_port}"
    headers = {"X-API-Key": KEY}
    with httpx.Client(base_url=url, headers=headers, timeout=JOB_SECONDS, trust_env=False) as http:
        started = time.perf_counter()
        sent = http.post("/v1/jobs", files=parts, data={"model": "commissioning"})
        yield FIGURES[-3], time.perf_counter() - started
        address = f"/v1/jobs/{sent.raise_for_status().json()['jobs'][0]['id']}"
        while (job := http.get(address).json())["finished_at"] is None:
            time.sleep(ASK_SECONDS)
        if job["state"] != "done":
            raise RuntimeError(f"{server.name}: {job['failure']}")
        begun, ended = (datetime.fromisoformat(job[one]) for one in ("started_at", "finished_at"))
        yield FIGURES[-2], (ended - begun).total_seconds()
        stages = http.get(f"{address}/report").json()["stage_seconds"]
        yield FIGURES[-1], stages["find"] + stages["read"]


def measure(runs: int, slices: int) -> dict[tuple[str, str], float]:
    """Medians by figure and server; the first job of each opens the model, and is not counted."""
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    console = Console(stderr=True)
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(TemporaryDirectory(dir=Path.cwd(), prefix=".encryption-"))
        )
        add_key(folder / "keys")
        key_file = {"OARLOCK_ENCRYPTION_KEY_FILE": str(folder / "keys")}
        servers = [
            stack.enter_context(run_oarlock(folder / PLAIN, PLAIN)),
            stack.enter_context(run_oarlock(folder / ENCRYPTED, ENCRYPTED, **key_file)),
        ]
        for run in range(-1, runs):
            # Each goes first as often as second.
            for server in servers if run % 2 else reversed(servers):
                with TemporaryDirectory(dir="/dev/shm") as memory:
                    told = dict(time_job(server, Path(memory, "job"), f"{server.name} {run}"))
                    if run >= 0:
                        told |= {
                            way.name: time_way(way, server, Path(memory, str(number)), slices)
                            for number, way in enumerate(WAYS)
                        }
                        for name, value in told.items():
                            figures[name, server.name].append(value)
                shown = ", ".join(f"{name} {value:.3g}" for name, value in told.items())
                console.log(f"run {run + 1}, {server.name}: {shown}")
    return {key: median(values) for key, values in figures.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--slices", type=int, default=400)
    arguments = parser.parse_args()
    figures = measure(arguments.runs, arguments.slices)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("medians; slices a second, or seconds", PLAIN, ENCRYPTED, "ratio"):
        table.add_column(heading)
    for name in FIGURES:
        plain, encrypted = figures[name, PLAIN], figures[name, ENCRYPTED]
        table.add_row(name, f"{plain:.3g}", f"{encrypted:.3g}", f"{encrypted / plain:.2f}")
    Console(width=120).print(table)
    Console().print(f"{os.cpu_count()} cores, {arguments.runs} runs, load {os.getloadavg()}")


if __name__ == "__main__":
    main()
