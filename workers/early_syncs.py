"""Files synced while more of them arrive: the disk is waited for once, not at the end for all."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from workers.durable_files import SYNC_THREADS, sync
from workers.encryption.vault import find_vault


class EarlySyncs:
    """A context; what has not begun at its end is left."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(SYNC_THREADS)
        self._begun: dict[Path, Future[None]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def begin(self, path: Path) -> None:
        """Start to sync a file that is complete; sealing an encrypted one syncs it later."""
        if find_vault(path) is None:
            self._begun[path] = self._pool.submit(sync, path)

    def finish(self, paths: Iterable[Path]) -> None:
        """Wait until these files are on the disk; raises what the disk said of any.

        Each is synced once: the kernel tells an error of writing to one who asks, not to all.
        """
        paths = list(paths)
        for path in paths:
            if path not in self._begun:
                self.begin(path)
        for path in paths:
            if path in self._begun:
                self._begun[path].result()
