"""A worker's name is its own: not that of an earlier process with the same number."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from workers.worker_names import build_worker_name


def test_it_tells_host_process_and_the_moment_at_which_that_began(tmp_path: Path) -> None:
    """Whatever the program is called: its name stands before the numbers."""
    program = tmp_path / "a) b (1 2 3"
    shutil.copy(shutil.which("sleep") or "", program)
    ticks = os.sysconf("SC_CLK_TCK")
    before = int(time.clock_gettime(time.CLOCK_BOOTTIME) * ticks)

    with subprocess.Popen([program, "60"]) as process:
        name = build_worker_name(process.pid)
        again = build_worker_name(process.pid)
        process.kill()

    host, number, began = name.split(":")
    assert (host, number, name) == (os.uname().nodename, str(process.pid), again)
    after = int(time.clock_gettime(time.CLOCK_BOOTTIME) * ticks)
    assert before - 1 <= int(began) <= after


def test_without_a_number_it_is_this_process() -> None:
    """As a worker calls itself when it stops."""
    assert build_worker_name() == build_worker_name(os.getpid())
