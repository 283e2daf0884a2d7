"""Files and folders that are on the disk, under their final names, or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

SYNC_THREADS = 8
"""fsync waits for the disk, not for a core: several at a time are several times faster."""


def write_file(path: Path, content: bytes) -> None:
    """Write and sync a file; its folder is synced when it is published."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(staged: Path, final: Path) -> bool:
    """Give a folder of synced files its final name; False if that name is already taken."""
    sync(staged)
    try:
        staged.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        return False
    sync(final.parent)
    return True
