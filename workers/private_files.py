"""What a server's process writes is its user's alone: series, results, database, queue and logs."""

from __future__ import annotations

import os

OTHERS = 0o077


def keep_files_private() -> None:
    """For this process and all that it starts, whatever umask it was started with.

    Only where a server's process begins: what a command writes for its user keeps that user's.
    """
    os.umask(OTHERS)
