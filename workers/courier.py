"""Carries what is in the outbox to its destinations, each in threads of its own.

Several couriers may run at once, in as many services: what each does begins with a claim. A slow or
dead destination keeps its own threads waiting and nobody else's.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import DeliveryError, EncryptionKeyError, IdentityError, SealedFileError
from workers.deliveries import Delivery
from workers.destinations.destinations import Destinations
from workers.destinations.parcels import opening_parcel
from workers.destinations.webhook import Webhook
from workers.identities import PLAIN, Identities
from workers.job_store import JobStore
from workers.jobs import Job, JobState
from workers.outbox_store import OutboxStore
from workers.result_store import ResultStore

STOP_SECONDS = 5.0
"""What a delivery under way is given when the server stops; what takes longer starts anew."""

log = logging.getLogger(__name__)


class UndeliverableError(Exception):
    """What no further try can help."""


class Courier:
    """Claims what is due, sends it, and notes how that went."""

    def __init__(
        self,
        outbox: OutboxStore,
        jobs: JobStore,
        results: ResultStore,
        destinations: Destinations,
        pause_seconds: float,
        identities: Identities = PLAIN,
    ) -> None:
        self._outbox = outbox
        self._jobs = jobs
        self._results = results
        self._destinations = destinations
        self._pause_seconds = pause_seconds
        self._identities = identities
        self._in_flight: set[Delivery] = set()
        self._changing = threading.Lock()
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._repeat, name="courier", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is still under way after a moment is put back, and made again by the next."""
        self._stopping = True
        self._woken.set()
        self._thread.join()
        end = time.monotonic() + STOP_SECONDS
        self._woken.clear()
        while self._list_in_flight() and (rest_seconds := end - time.monotonic()) > 0:
            self._woken.wait(rest_seconds)
            self._woken.clear()
        if unfinished := self._list_in_flight():
            self._outbox.put_back(unfinished)

    def wake(self) -> None:
        """Begin the next round now: there is something to deliver."""
        self._woken.set()

    def dispatch(self) -> None:
        """One round: a thread for every delivery that is due and whose destination is free."""
        if sending := self._list_in_flight():
            self._outbox.renew(sending)
        lost = self._outbox.expire()
        if lost:
            log.warning("%d delivery(s) lost their courier", lost)
        while not self._stopping and (delivery := self._outbox.claim_due(self._find_busy())):
            with self._changing:
                self._in_flight.add(delivery)
            name = f"courier-{delivery.destination}"
            thread = threading.Thread(target=self._carry, args=[delivery], name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine has no thread left
                with self._changing:
                    self._in_flight.remove(delivery)
                self._outbox.put_back([delivery])
                raise

    def deliver(self, delivery: Delivery) -> None:
        """Send a claimed delivery, and note what came of it."""
        try:
            note = self._send(delivery)
        except (UndeliverableError, IdentityError) as error:
            self._outbox.fail(delivery, str(error))
        except DeliveryError as error:
            self._postpone(delivery, error.fault)
        except (EncryptionKeyError, SealedFileError) as error:
            self._postpone(delivery, str(error))
        except OSError as error:
            self._postpone(delivery, f"the result cannot be read ({error.strerror}).")
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery must be made
            # Without the error's own words, which may be the patient's.
            trace = "".join(traceback.format_tb(error.__traceback__))
            log.error("job %s: %s:\n%s", delivery.job_id, type(error).__name__, trace)
            kind = type(error).__name__
            self._postpone(delivery, f"an unexpected error ({kind}); see the server's log.")
        else:
            if self._outbox.succeed(delivery, note):
                log.info("job %s: delivered to %s", delivery.job_id, delivery.destination)

    def _postpone(self, delivery: Delivery, fault: str) -> None:
        log.warning(
            "job %s: try %d to deliver to %s: %s",
            *(delivery.job_id, delivery.tries, delivery.destination, fault),
        )
        self._outbox.postpone(delivery, fault)

    def _send(self, delivery: Delivery) -> str:
        destination = self._destinations.pick(delivery.destination)
        job = self._jobs.find(delivery.job_id)
        sender = destination.sender
        if isinstance(sender, Webhook):
            deliveries = self._outbox.list_by_job([job.id])[job.id]
            return sender.tell(delivery, self._identities.reveal_job(job), deliveries)
        if delivery.event is not None:
            raise UndeliverableError("it is no webhook any more.")
        kept = self._find_file(job, delivery.template)
        with (
            self._identities.restored(kept, job.id) as file,
            opening_parcel(file, job.id, delivery.template) as parcel,
        ):
            return sender.send(parcel)

    def _find_file(self, job: Job, template: str) -> Path:
        files = {output.template: output.rtstruct for output in job.outputs}
        if job.state is not JobState.DONE or job.result_folder is None:
            raise UndeliverableError(f"the job is {job.state}: it has nothing to deliver.")
        if template not in files:
            raise UndeliverableError(
                f"the job made no structure set for the template {template}: it has "
                f"{', '.join(files)}. Send the series again."
            )
        return self._results.find_file(job.result_folder, files[template])

    def _find_busy(self) -> list[str]:
        counts = Counter(one.destination for one in self._list_in_flight())
        known = self._destinations.by_name
        limits = {name: known[name].at_once if name in known else 1 for name in counts}
        return [name for name, count in counts.items() if count >= limits[name]]

    def _list_in_flight(self) -> list[Delivery]:
        with self._changing:
            return list(self._in_flight)

    def _carry(self, delivery: Delivery) -> None:
        try:
            self.deliver(delivery)
        except SQLAlchemyError:
            log.exception("what became of a delivery cannot be noted; its lease will end")
        finally:
            with self._changing:
                self._in_flight.remove(delivery)
            self._woken.set()

    def _repeat(self) -> None:
        while not self._stopping:
            self._woken.clear()
            try:
                self.dispatch()
            except (SQLAlchemyError, OSError, RuntimeError):
                log.exception("a round of the courier failed; the next one tries again")
            self._woken.wait(self._pause_seconds)
