"""Refusals are recorded one by one, until somebody makes a flood of them.

Each address has so many records of its own for one reason in a minute; how many there were beyond
them is told by the next one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from workers.audit.audit_store import AuditStore
from workers.audit.entries import AuditEntry

WINDOW_SECONDS = 60.0
RECORDS = 30
ADDRESSES = 10_000  # that are remembered; the one that began first is forgotten first

log = logging.getLogger(__name__)


@dataclass
class _Window:
    began_at: float
    count: int = 0
    folded: int = 0


class Refusals:
    """Of one process; safe to use in many threads."""

    def __init__(self, store: AuditStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._changing = threading.Lock()

    def note(self, entry: AuditEntry) -> None:
        """Record a refusal; where it cannot be, that is logged, and it is refused all the same."""
        address = entry.actor.address if entry.actor else ""
        with self._changing:
            folded = self._count((entry.event, address, str(entry.details.get("fault", ""))))
        if folded is None:
            return
        if folded:
            entry = replace(entry, details={**entry.details, "folded": folded})
        try:
            self._store.note(entry)
        except SQLAlchemyError:
            log.exception("a refusal could not be recorded: %s", entry.event)

    def _count(self, key: tuple[str, str, str]) -> int | None:
        """How many were not recorded before this one; None where this one is not either."""
        now = self._clock()
        window = self._windows.get(key)
        folded = 0
        if window is None or now - window.began_at >= WINDOW_SECONDS:
            folded = window.folded if window else 0
            self._windows.pop(key, None)
            if len(self._windows) >= ADDRESSES:
                del self._windows[next(iter(self._windows))]
            window = self._windows[key] = _Window(now)
        window.count += 1
        if window.count > RECORDS:
            window.folded += 1
            return None
        return folded
