"""Sends the records to the collector, in order, from where the last sender stopped.

The database is the spool: while the collector is away the cursor stands still, and what was not
surely taken is sent again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import DeliveryError
from workers.audit.audit_store import AuditStore
from workers.audit.cursor import AuditCursor
from workers.audit.entries import AuditRecord

BATCH = 500
PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


class TakesRecords(Protocol):
    """Where records go."""

    def send(self, records: tuple[AuditRecord, ...]) -> None:
        """Hand them over; `DeliveryError` where not all are surely taken."""


class Forwarder:
    """One thread; several processes may each have one."""

    def __init__(
        self,
        store: AuditStore,
        cursor: AuditCursor,
        collector: TakesRecords,
        pause_seconds: float = PAUSE_SECONDS,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """`wait`: passes so many seconds, and tells whether to send once more and end."""
        self._store = store
        self._cursor = cursor
        self._collector = collector
        self._pause_seconds = pause_seconds
        self._is_down = False
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread = threading.Thread(target=self._repeat, name="audit", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send what there is, if the collector takes it, and stop."""
        self._stopping.set()
        self._thread.join()

    def forward(self) -> int:
        """Send all that has not been sent; how many records that were."""
        count = 0
        # Looked at first: a claim is a write, and mostly there is nothing to send.
        while self._store.count_unsent() and (sent := self._cursor.claim()) is not None:
            records = self._store.read_after(sent, BATCH)
            if not records:
                break
            self._collector.send(records)
            if not self._cursor.move(records[-1].number):
                break
            count += len(records)
        return count

    def _repeat(self) -> None:
        is_last = False
        while not is_last:
            # The same pause after each fault: a collector that is back is not waited for.
            is_last = self._wait(self._pause_seconds)
            self._try()
        try:
            self._cursor.give_up()
        except SQLAlchemyError:
            log.exception("the lease on the audit records is left to end by itself")

    def _try(self) -> None:
        try:
            self.forward()
        except DeliveryError as error:
            if not self._is_down:  # once, not at every try
                log.error("%s They wait in the database.", error.fault)
            self._is_down = True
        except Exception:  # whatever it is, the thread must go on
            log.exception("audit records were not sent; the next round tries again")
        else:
            if self._is_down:
                log.info("the audit collector takes records again")
            self._is_down = False
