"""Waiting for SIGTERM or SIGINT, so that none is missed whenever it comes."""

from __future__ import annotations

import os
import signal

WANTED = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """From its making on, of the whole process; to be made in the main thread.

    The interpreter's own handler writes each signal's number into a pipe. A handler in Python would
    not run while a wait is about to begin, and an event that it set then could lock for ever.
    """

    def __init__(self) -> None:
        self._numbers, into = os.pipe()
        os.set_blocking(into, False)
        signal.set_wakeup_fd(into)
        for number in WANTED:
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Until one of them has come, be it long ago."""
        while os.read(self._numbers, 1)[0] not in WANTED:
            pass
