"""Looks at the watched folders, all the time, in a thread."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import StorageFullError
from service.context import Context
from service.watched_folder import WatchedFolder

LOOK_SECONDS = 3.0

log = logging.getLogger(__name__)


class FolderWatcher:
    """Does nothing where the sources' file names no folder."""

    def __init__(self, context: Context) -> None:
        self._folders = [
            (path, WatchedFolder(path, sender, context)) for path, sender in context.sources.folders
        ]
        self._faults: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="folders", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        if self._folders:
            self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a look under way."""
        self._stopping.set()
        if self._folders:
            self._thread.join()

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            for path, folder in self._folders:
                self._look(str(path), folder)
            self._stopping.wait(LOOK_SECONDS)

    def _look(self, name: str, folder: WatchedFolder) -> None:
        fault = ""
        try:
            folder.look()
        except (OSError, SQLAlchemyError, StorageFullError) as error:
            fault = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
        except Exception:  # the other folders, and the next look, must go on
            log.exception("a look at the watched folder %s failed", name)
            return
        if fault != self._faults.get(name, ""):  # once, not at every look
            self._faults[name] = fault
            log.log(
                logging.ERROR if fault else logging.INFO,
                "the watched folder %s: %s",
                name,
                fault or "it is looked at again",
            )
