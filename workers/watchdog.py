"""A worker that has stopped listening ends itself, so that it is started anew.

Celery freezes if Redis goes away while its only job runs: the job's acknowledgement fails, the
place of its message is never freed, and nothing is asked of Redis any more. Such a worker looks
well and does nothing. It is known by messages that nobody takes while it has no job.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
LOOKS = 4  # at least, before it is sure
EXIT_SECONDS = 10.0  # from SIGTERM, which a frozen process may not hear, to the end
# Monotonic seconds of the last look for a job; shared with the process that looks, a fork.
# Without a lock: a process killed while it held one would stop all others.
_last_look = multiprocessing.Value("d", 0.0, lock=False)


def note_look() -> None:
    """The worker has been woken, and looks for a job."""
    _last_look.value = time.monotonic()


class Watchdog:
    """`count_messages`: those that no worker has taken, None where Redis does not answer."""

    def __init__(
        self,
        count_messages: Callable[[], int | None],
        is_busy: Callable[[], bool],
        patience_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count_messages = count_messages
        self._is_busy = is_busy
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._fine_at = self._looked_at = clock()

    def is_deaf(self) -> bool:
        """Whether messages have waited all this time, and the worker has neither job nor ear."""
        now, last = self._clock(), self._looked_at
        self._looked_at = now
        if now - last > self._patience_seconds:  # frozen itself: it has heard nothing either
            self._fine_at = now
        is_fine = _last_look.value > self._fine_at or not self._count_messages() or self._is_busy()
        if is_fine:
            self._fine_at = now
        return now - self._fine_at > self._patience_seconds

    def watch(self) -> None:
        """Look every few seconds from now on, in a thread of its own, until the process ends."""
        self._fine_at = self._looked_at = self._clock()
        threading.Thread(target=self._repeat, name="watchdog", daemon=True).start()

    def _repeat(self) -> None:
        while not self.is_deaf():
            time.sleep(min(PAUSE_SECONDS, self._patience_seconds / LOOKS))
        log.error(
            "jobs have waited for %d s and this worker was not woken: it ends, to be started anew",
            self._patience_seconds,
        )
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(EXIT_SECONDS)
        while self._is_busy():  # with a job that came at the last moment: it is given its time
            time.sleep(PAUSE_SECONDS)
        os._exit(1)
