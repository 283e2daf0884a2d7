"""Received objects below the data folder: `instances/<sha256>.dcm`, each content once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from workers.durable_files import SYNC_THREADS, sync
from workers.encryption.vault import Vault, find_vault, forget_created
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
        vault = find_vault(self._folder)
        if vault is None:
            for instance in instances:
                self._keep(instance, None)
        else:
            with ThreadPoolExecutor(SYNC_THREADS) as pool:
                list(pool.map(partial(self._keep, vault=vault), instances))
        sync(self._folder)

    def _keep(self, instance: ReceivedInstance, vault: Vault | None) -> None:
        final = self.find(instance.sha256)
        try:
            os.utime(final)  # it is needed again, whatever was about to sweep it
            # In place of one that is plain, damaged, or that nobody can open any more.
            is_kept = vault is None or vault.holds(final, instance.study_instance_uid)
        except FileNotFoundError:
            is_kept = False
        if is_kept:
            instance.path.unlink()
            return
        if vault is not None:
            vault.seal_object(instance.path, instance.study_instance_uid, instance.sha256)
        os.utime(instance.path)  # after a long upload it may look forgotten
        instance.path.replace(final)
        forget_created(instance.path)

    def find(self, sha256: str) -> Path:
        """Where the file of this content is."""
        return self._folder / f"{sha256}.dcm"
