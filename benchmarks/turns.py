"""Ways of doing the same work, each in a process of its own, in turn.

So a drifting machine slows all alike, and peak memory is each one's own. A way is a module with a
`main` that calls `answer`: it runs the work once for each line that it is sent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from typing import IO

LONGEST_SECONDS = 60.0  # until a process that is told to end has ended
LOG_CHARACTERS = 2000  # of the end of what one that failed has said


@dataclass(frozen=True)
class Run:
    """One time through: seconds per stage, and the process' peak memory so far."""

    seconds: dict[str, float]
    peak_bytes: int

    @property
    def total_seconds(self) -> float:
        """Of all stages."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Runs:
    """All runs of one way; the first, which loads everything, stands apart."""

    all: tuple[Run, ...]

    @property
    def first_seconds(self) -> float:
        """Of the first one."""
        return self.all[0].total_seconds

    @property
    def seconds(self) -> float:
        """The median of the warm ones; the only one, where it was one."""
        return median(run.total_seconds for run in self._warm)

    @property
    def stages(self) -> dict[str, float]:
        """The same for every stage."""
        return {
            name: median(run.seconds[name] for run in self._warm) for name in self.all[0].seconds
        }

    def tell_stages(self) -> str:
        """The medians of the stages, in words."""
        return ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.stages.items())

    @property
    def _warm(self) -> tuple[Run, ...]:
        return self.all[1:] or self.all

    @property
    def peak_gb(self) -> float:
        """At the end of all runs."""
        return self.all[-1].peak_bytes / 1e9


def take_turns(
    ways: Mapping[str, Sequence[str]], runs: int, threads: int, tell: Callable[[str], None]
) -> dict[str, Runs]:
    """Each way (a module and its arguments) once, and then `runs` times warm."""
    found: dict[str, list[Run]] = {name: [] for name in ways}
    with ExitStack() as stack:
        # Peers say much that nobody asked for.
        logs = {name: stack.enter_context(TemporaryFile()) for name in ways}
        processes = {name: _start(way, threads, logs[name]) for name, way in ways.items()}
        for process in processes.values():
            stack.callback(process.kill)
        for number in range(runs + 1):
            for name, process in processes.items():
                tell(f"{name}, {f'warm run {number} of {runs}' if number else 'first run'}")
                found[name].append(_run(name, process, logs[name]))
        for process in processes.values():
            process.communicate(timeout=LONGEST_SECONDS)
    return {name: Runs(tuple(each)) for name, each in found.items()}


def _start(way: Sequence[str], threads: int, log: IO[bytes]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )


def _run(name: str, process: subprocess.Popen[str], log: IO[bytes]) -> Run:
    """One run of a waiting process: a line to it, a line of JSON back."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    process.stdin.write("run\n")
    process.stdin.flush()
    while line := process.stdout.readline():
        if line.startswith('{"seconds"'):
            return Run(**json.loads(line))
    code = process.wait()
    log.seek(0)
    told = log.read().decode(errors="replace")[-LOG_CHARACTERS:]
    raise RuntimeError(f"{name} ended with {code}: {told}")


class Stopwatch:
    """Seconds per stage of one run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def answer(work: Callable[[Stopwatch], None]) -> None:
    """Do the work for each line on stdin, and write a `Run` as JSON to stdout."""
    for _ in sys.stdin:
        watch = Stopwatch()
        work(watch)
        sys.stdout.write(json.dumps(asdict(Run(watch.seconds, _read_peak_bytes()))) + "\n")
        sys.stdout.flush()


def _read_peak_bytes() -> int:
    """Of this program alone: `getrusage` begins with what the process that started it had."""
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) * 1024
