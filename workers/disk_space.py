"""The room that is left where series and results are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from contouring.errors import StorageFullError

MEBIBYTE = 2**20


def check_space(folder: Path, needed_bytes: int, reserve_bytes: int) -> None:
    """Raise `StorageFullError` unless `reserve_bytes` stay free once more is stored in `folder`.

    Before the disk is full, not when: a database that cannot write loses more than one series.
    """
    free_bytes = shutil.disk_usage(folder).free
    wanted_bytes = needed_bytes + reserve_bytes
    if free_bytes < wanted_bytes:
        raise StorageFullError(
            f"The server's data folder has {free_bytes // MEBIBYTE} MiB left, and "
            f"{wanted_bytes // MEBIBYTE} MiB are asked for: nothing of this was stored. Send it "
            "again once its operator has made room."
        )
