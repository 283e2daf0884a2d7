"""A worker's name is its own: not that of an earlier process with the same number."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from workers.worker_names import build_worker_name, has_ended


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

    host, number, began, _ = name.split(":", 3)
    assert (host, number, name) == (os.uname().nodename, str(process.pid), again)
    after = int(time.clock_gettime(time.CLOCK_BOOTTIME) * ticks)
    assert before - 1 <= int(began) <= after


def test_without_a_number_it_is_this_process() -> None:
    """As a worker calls itself when it stops."""
    assert build_worker_name() == build_worker_name(os.getpid())


def test_a_process_has_ended_when_it_is_gone_or_another_has_its_number() -> None:
    """Its job runs again at once; also while its parent has not noticed."""
    process = subprocess.Popen(["sleep", "60"])
    name = build_worker_name(process.pid)
    host, number, began, place = name.split(":", 3)
    lived = has_ended(name)
    other = has_ended(f"{host}:{number}:{int(began) - 1}:{place}")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    unnoticed = has_ended(name)
    process.wait()

    assert (lived, other, unnoticed, has_ended(name)) == (False, True, True, True)


def test_a_process_that_cannot_be_seen_from_here_has_not_ended() -> None:
    """On another machine, in another boot of one of the same name, or in another container."""
    host, _, began, place = build_worker_name().split(":", 3)
    gone = 2**22 + 1  # beyond the largest process id
    container, boot = place.split(":")

    assert has_ended(f"{host}:{gone}:{began}:{place}")
    assert not has_ended(f"{host}:{gone}")  # as an earlier version called its workers
    assert not has_ended(f"another:{gone}:{began}:{place}")
    assert not has_ended(f"{host}:{gone}:{began}:{container}0:{boot}")
    assert not has_ended(f"{host}:{gone}:{began}:{container}:another-boot")
