"""Child processes that end with their parent, however it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress


def tie_to_parent(command: Sequence[str]) -> list[str]:
    """The command, told by the kernel to stop when its parent dies (util-linux's setpriv)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--", *command] if setpriv else list(command)


def stop_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask a process to end, then end its whole group; it leads a session of its own."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of a process and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
