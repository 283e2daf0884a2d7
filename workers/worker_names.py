"""What a worker's process is called in the lease of its job."""

from __future__ import annotations

import os
from pathlib import Path

STARTED_FIELD = 19  # of /proc/PID/stat, counted from the one behind the program's name


def build_worker_name(process_id: int | None = None) -> str:
    """Name of a worker process on this machine, which no other has had or will have.

    A container that is started again has the same host name and the same process ids: only the
    moment at which a process began tells it from the one before.
    """
    process_id = os.getpid() if process_id is None else process_id
    status = Path(f"/proc/{process_id}/stat").read_text()
    began = status.rpartition(")")[2].split()[STARTED_FIELD]
    return f"{os.uname().nodename}:{process_id}:{began}"
