"""How much of the machine somebody else uses while something is measured (Linux)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of a line of /proc/stat behind its name: proc(5).
IDLE, IO_WAIT, STEAL = 3, 4, 7
# Fields of /proc/PID/stat, counted from behind the program's name.
PARENT, TIMES = 1, slice(11, 15)  # in the program, in the kernel, and both of its ended children


class OtherLoad:
    """From its making on; the processes that this one has started, and theirs, are not others."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = _read_now()

    def measure_cores(self) -> float:
        """Cores that others kept busy so far, in the mean; below a tenth the machine was quiet."""
        now, busy, own = _read_now()
        others = (busy - self._busy) - (own - self._own)
        return max(0.0, others / (now - self._began))


def _read_now() -> tuple[float, float, float]:
    """Moment, and seconds of all cores that were busy, and of these those of our own processes."""
    return time.monotonic(), _read_busy_seconds(), read_own_seconds()


def _read_busy_seconds() -> float:
    """Time that a hypervisor took away (steal) counts: nor could we have it."""
    fields = [int(field) for field in (PROC / "stat").read_text().split("\n")[0].split()[1:]]
    # What follows the stolen time, that of guests, is counted in what precedes it.
    ticks = sum(fields[: STEAL + 1]) - fields[IDLE] - fields[IO_WAIT]
    return ticks / TICKS_A_SECOND


def read_own_seconds() -> float:
    """Seconds of all cores that this process and those it started, and they, have had so far."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[PARENT])
            ticks[int(folder.name)] = sum(int(field) for field in fields[TIMES])
    return sum(ticks[each] for each in ticks if _is_ours(each, parents)) / TICKS_A_SECOND


def _is_ours(process_id: int, parents: dict[int, int]) -> bool:
    while process_id and process_id != os.getpid():
        process_id = parents.get(process_id, 0)
    return process_id == os.getpid()
