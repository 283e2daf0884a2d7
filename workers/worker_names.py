"""What a worker's process is called in the lease of its job, and whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path

from workers.database import BOOT_ID

STATE_FIELD, BEGAN_FIELD = 0, 19  # of /proc/PID/stat, counted from behind the program's name
ENDED = "ZX"  # waiting to be noticed by their parents


def build_worker_name(process_id: int | None = None) -> str:
    """Name of a worker process on this machine, which no other has had or will have.

    A container that is started again has the same host name and the same process ids: only the
    moment at which a process began tells it from the one before.
    """
    process_id = os.getpid() if process_id is None else process_id
    return f"{os.uname().nodename}:{process_id}:{_read_status(process_id)[BEGAN_FIELD]}:{_place()}"


def has_ended(name: str) -> bool:
    """Whether that process is known to be over; never of one that cannot be seen from here."""
    parts = name.split(":", 3)
    if len(parts) < 4 or (parts[0], parts[3]) != (os.uname().nodename, _place()):
        return False  # names of earlier versions had two parts
    _, number, began, _ = parts
    try:
        status = _read_status(int(number))
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status[BEGAN_FIELD] != began or status[STATE_FIELD] in ENDED


def _place() -> str:
    """Where process ids mean something: this boot of this machine, and this container in it."""
    container = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    return f"{container}:{BOOT_ID.read_text().strip()}"


def _read_status(process_id: int) -> list[str]:
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
