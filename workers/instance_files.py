"""Received objects below the data folder: `instances/<sha256>.dcm`, each content once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from workers.durable_files import sync
from workers.instances import ReceivedInstance


class InstanceFiles:
    """Files that are on the disk, under their final names, or not there at all."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "instances"
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, instances: Iterable[ReceivedInstance]) -> None:
        """Give staged and synced files their final names; on return they survive a loss of power.

        A content that is there already stays, and its staged file is removed.
        """
        for instance in instances:
            final = self.find(instance.sha256)
            try:
                os.utime(final)  # it is needed again, whatever was about to sweep it
            except FileNotFoundError:
                os.utime(instance.path)  # after a long upload it may look forgotten
                instance.path.rename(final)
            else:
                instance.path.unlink()
        sync(self._folder)

    def find(self, sha256: str) -> Path:
        """Where the file of this content is."""
        return self._folder / f"{sha256}.dcm"
