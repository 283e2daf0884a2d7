"""Renews a running job's lease beside the work, in a thread."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import JobError
from workers.jobs import Job
from workers.lease_store import LeaseStore

log = logging.getLogger(__name__)


class Heartbeat:
    """Renews until the block ends; `check` raises in the working thread what the store said."""

    def __init__(self, leases: LeaseStore, job: Job, pause_seconds: float) -> None:
        self._leases = leases
        self._job = job
        self._pause_seconds = pause_seconds
        self._stop_reason: JobError | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if the job was cancelled or belongs to another worker by now."""
        if self._stop_reason is not None:
            raise self._stop_reason

    def _repeat(self) -> None:
        while not self._ended.wait(self._pause_seconds):
            try:
                self._leases.renew(self._job)
            except JobError as error:
                self._stop_reason = error
                return
            except SQLAlchemyError:
                log.exception("job %s: the lease was not renewed; trying again", self._job.id)
