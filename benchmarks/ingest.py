"""How fast slices come in, beside Orthanc on the same machine: `make bench-ingest`.

    python -m benchmarks.ingest [--runs N] [--slices N] [--only WORD]

Slices of 512 x 512, 16 bits, uncompressed, none sent twice. Both servers sync every file before
they acknowledge it (Orthanc's SyncStorageArea is on by default). STOW-RS sends 20 objects a request
by one client that does nothing else; C-STORE is DCMTK's storescu, with TCP_NODELAY set, for
without it the tool itself crawls on the loopback. Figures are medians of runs in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from shutil import which
from statistics import median
from tempfile import TemporaryDirectory

from pydicom.uid import generate_uid
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.servers import KEY, Server, run_oarlock, run_orthanc
from benchmarks.slices import write_slices

PER_REQUEST = 20
BOUNDARY = "slices"
SEND_SECONDS = 300


@dataclass(frozen=True)
class Way:
    """A way in: how many senders at once, and what each does with its slices."""

    name: str
    senders: int
    send: Callable[[Server, list[Path]], None]


def send_by_stow(server: Server, files: list[Path]) -> None:
    """One client, one connection, 20 objects a request; every one must be acknowledged."""
    connection = HTTPConnection("127.0.0.1", server.http_port, timeout=SEND_SECONDS)
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json", "X-API-Key": KEY}
    for start in range(0, len(files), PER_REQUEST):
        batch = files[start : start + PER_REQUEST]
        connection.request("POST", server.stow_path, _join(batch), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200 or len(json.loads(content)["00081199"]["Value"]) != len(batch):
            raise RuntimeError(f"{server.name} answered {answer.status}: {content[:500]!r}")
    connection.close()


def send_by_store(server: Server, files: list[Path]) -> None:
    """One association."""
    sending = subprocess.run(
        [
            *("storescu", "--propose-little", "--call", server.ae_title),
            *("127.0.0.1", str(server.dicom_port)),
            *(str(file) for file in files),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=SEND_SECONDS,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    if sending.returncode:
        raise RuntimeError(f"{server.name} did not take all: {sending.stderr[-500:]}")


WAYS = (
    Way("STOW-RS, 1 client", 1, send_by_stow),
    Way("STOW-RS, 3 clients", 3, send_by_stow),
    Way("C-STORE, 1 association", 1, send_by_store),
    Way("C-STORE, 4 associations", 4, send_by_store),
)


def time_way(way: Way, server: Server, folder: Path, slices: int) -> float:
    """Slices a second, all senders together."""
    shares = []
    for sender in range(way.senders):
        part = folder / f"sender-{sender}"
        shares.append(write_slices(part, slices // way.senders, generate_uid(prefix=None)))
    started = time.perf_counter()
    with ThreadPoolExecutor(way.senders) as pool:
        for _ in pool.map(lambda share: way.send(server, share), shares):
            pass
    return sum(len(share) for share in shares) / (time.perf_counter() - started)


def measure(runs: int, slices: int, ways: tuple[Way, ...]) -> dict[tuple[str, str], float]:
    """Median rates by way and server."""
    rates: dict[tuple[str, str], list[float]] = {}
    console = Console(stderr=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=Path.cwd(), prefix=".ingest-")))
        servers = [
            stack.enter_context(run_oarlock(folder / "oarlock")),
            stack.enter_context(run_orthanc(folder / "orthanc")),
        ]
        for run in range(runs):
            for way in ways:
                for server in servers:
                    with TemporaryDirectory(dir="/dev/shm") as memory:
                        rate = time_way(way, server, Path(memory), slices)
                    rates.setdefault((way.name, server.name), []).append(rate)
                    console.log(f"run {run + 1}: {way.name}, {server.name}: {rate:.0f}/s")
    return {key: median(values) for key, values in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--only", default="", help="ways whose names hold this word")
    arguments = parser.parse_args()
    if which("storescu") is None:
        parser.error("DCMTK is missing: run scripts/setup test")
    ways = tuple(way for way in WAYS if arguments.only in way.name)
    rates = measure(arguments.runs, arguments.slices, ways)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("slices a second", "Oarlock", "Orthanc", "ratio"):
        table.add_column(heading, justify="left" if heading[0] == "s" else "right")
    for way in ways:
        ours, theirs = rates[way.name, "Oarlock"], rates[way.name, "Orthanc"]
        table.add_row(way.name, f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}")
    console = Console()
    console.print(table)
    today = datetime.now(UTC).date()
    console.print(f"{today}, {os.cpu_count()} cores, {platform.machine()}, medians")


def _join(files: list[Path]) -> bytes:
    body = bytearray()
    for file in files:
        body += f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body += file.read_bytes()
        body += b"\r\n"
    return bytes(body + f"--{BOUNDARY}--\r\n".encode())


if __name__ == "__main__":
    main()
