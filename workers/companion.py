"""A process of Oarlock's beside its server and worker, started again whenever it ends."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections.abc import Sequence

from workers.child_process import kill_group, stop_process, tie_to_parent

RESTART_PAUSE_SECONDS = 2.0  # one that cannot start must not take a whole core

log = logging.getLogger(__name__)


class Companion:
    """Belongs to one thread: the kernel ends a child with the thread it came from."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self._name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0

    def keep(self) -> None:
        """Start it, or start it again, unless it runs."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            status = self._process.returncode
            log.error("%s has ended (status %s) and is started again", self._name, status)
            kill_group(self._process)
            self._process = None
            self._start_at = time.monotonic() + RESTART_PAUSE_SECONDS
        if time.monotonic() >= self._start_at:
            self._process = subprocess.Popen(  # nosec B603 # our own command
                tie_to_parent(self._command), stdin=subprocess.DEVNULL, start_new_session=True
            )

    def ask_to_stop(self) -> None:
        """Tell it to end, and wait for nothing."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, seconds: float) -> None:
        """End it, by force after so long."""
        if self._process is not None:
            stop_process(self._process, seconds)
