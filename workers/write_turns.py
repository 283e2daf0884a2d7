"""Writers of one SQLite database take turns, whichever process they are of.

SQLite lets whoever looks at the right moment go first, and has the others look again ever more
rarely: one writer beside twenty that never pause can wait for half a minute. Here they wait in
front of a file instead, where all look equally often, and one at a time goes on to SQLite. It is a
courtesy: who cannot have a turn writes without one.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.001


@contextmanager
def waiting_in_turn(database: str, patience_seconds: float) -> Iterator[None]:
    """The only one of `database` (the path of its file) to begin a write, within the block."""
    try:
        turns = os.open(f"{database}-turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a full disk, say: SQLite will tell
        yield
        return
    try:
        _wait(turns, patience_seconds)
        yield
    finally:
        # Also where a process was forked meanwhile, which has the file open, too.
        fcntl.flock(turns, fcntl.LOCK_UN)
        os.close(turns)


def _wait(turns: int, patience_seconds: float) -> None:
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        try:
            fcntl.flock(turns, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        else:
            return
