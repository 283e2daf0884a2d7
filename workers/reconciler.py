"""Makes the queue agree with the database, every few seconds, in a thread.

Several may run at once: what they change is conditional, and a doubled message is harmless.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from workers.housekeeping import Housekeeping
from workers.job_store import JobStore
from workers.jobs import JobState
from workers.lease_store import LeaseStore
from workers.publisher import Publisher

log = logging.getLogger(__name__)


class Reconciler:
    """Gives up lost workers, publishes waiting jobs, and sweeps what dead processes left."""

    def __init__(
        self,
        jobs: JobStore,
        leases: LeaseStore,
        publisher: Publisher,
        housekeeping: Housekeeping,
        pause_seconds: float,
    ) -> None:
        self._jobs = jobs
        self._leases = leases
        self._publisher = publisher
        self._housekeeping = housekeeping
        self._pause_seconds = pause_seconds
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._repeat, name="reconciler", daemon=True)

    def start(self) -> None:
        """Begin to reconcile."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a round under way."""
        self._stopping = True
        self._woken.set()
        self._thread.join()

    def wake(self) -> None:
        """Begin the next round now: there is a new job."""
        self._woken.set()

    def reconcile(self) -> None:
        """One round."""
        given_up = self._leases.expire()
        if given_up:
            log.warning("%d running job(s) lost their worker", given_up)
        self._leases.resume_due()
        self._publish()
        self._housekeeping.tidy_if_due()

    def _publish(self) -> None:
        """Send what was never sent, and as many again as messages are missing.

        A message wakes a worker, which then takes the job whose turn it is: what counts is that
        there are as many messages as jobs, whichever job they name.
        """
        waiting = self._jobs.find_waiting()
        if not waiting:
            return
        present = self._publisher.count_messages()
        if present is None:
            return
        unsent = [job.id for job in waiting if job.state is JobState.PENDING]
        sent = [job.id for job in waiting if job.state is JobState.QUEUED]
        missing = max(0, len(sent) - present)
        published = self._publisher.publish([*unsent, *sent[:missing]])
        if published:
            self._jobs.mark_queued(published)

    def _repeat(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                self.reconcile()
            except (SQLAlchemyError, OSError):
                log.exception("a round of the reconciler failed; the next one tries again")
            self._woken.wait(self._pause_seconds)
