"""Tells senders what is committed to: on their association, or on one to them.

A sender that keeps its association open and is silent waits there; one that has released it waits
for an association to its own address, which the sources' file must say.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]
from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import DeliveryError, IdentityError
from service.dimse.staging_provider import StagingProvider
from workers.commitment_store import Commitment, CommitmentStore
from workers.source_book import CommitmentAddress, SourceBook

if TYPE_CHECKING:
    from pynetdicom.association import Association

INSTANCE_UID = "1.2.840.10008.1.20.1.1"  # well-known (PS3.4 J.3.5)
SILENT_SECONDS = 1.0  # a sender that wants another association has released this one by then
PAUSE_SECONDS = 0.5
WAIT_SECONDS = 30.0  # for each answer of a sender

log = logging.getLogger(__name__)

BuildReport = Callable[[Commitment], tuple[int, Dataset]]


class Reporter:
    """Reports in a thread of its own; `build_report`: event type and information by now."""

    def __init__(self, store: CommitmentStore, book: SourceBook, build_report: BuildReport) -> None:
        self._store = store
        self._book = book
        self._build_report = build_report
        self._open: list[tuple[Commitment, Association]] = []
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is not reported yet is, by whoever starts next."""
        self._stopping.set()
        self._thread.join(2 * PAUSE_SECONDS)

    def expect(self, commitment: Commitment, association: Association) -> None:
        """A request has come by an association that is still open."""
        with self._changing:
            self._open.append((commitment, association))

    def _repeat(self) -> None:
        while not self._stopping.wait(PAUSE_SECONDS):
            try:
                self._answer_open()
                while not self._stopping.is_set() and (due := self._claim_due()):
                    self._answer_anew(due)
            except IdentityError as error:
                log.error("a commitment that is asked for does not open: %s", error.fault)
            except (SQLAlchemyError, OSError, RuntimeError):
                log.exception("a round of reports failed; the next one tries again")

    def _claim_due(self) -> Commitment | None:
        """None of those whose association is still open: they are answered there."""
        with self._changing:
            waiting = [commitment.id for commitment, _ in self._open]
        return self._store.claim_due(but_for=waiting)

    def _answer_open(self) -> None:
        with self._changing:
            waiting, self._open = self._open, []
        for commitment, association in waiting:
            if not association.is_established:
                self._store.hasten(commitment)
            elif not _is_silent(association):
                self.expect(commitment, association)
            else:
                self._try(commitment, partial(self._send, commitment, association))

    def _answer_anew(self, commitment: Commitment) -> None:
        source = commitment.source
        address = self._book.find_entry(source).commitment
        if address is None:
            log.error(
                "%s cannot be told what is committed to: its association is over, and the sources' "
                "file names no address for it (commitment: {host, port})",
                source.shown,
            )
            self._store.remove(commitment)
            return
        self._try(commitment, partial(self._associate, commitment, address))

    def _try(self, commitment: Commitment, send: Callable[[], None]) -> None:
        name = commitment.source.shown
        try:
            send()
        except (DeliveryError, IdentityError, RuntimeError, ValueError) as error:
            fault = error.fault if isinstance(error, DeliveryError | IdentityError) else str(error)
            log.warning("%s was not told what is committed to: %s", name, fault)
            if self._store.is_last_try(commitment):
                log.error("%s is not told any more what is committed to", name)
                self._store.remove(commitment)
            return
        self._store.remove(commitment)
        log.info("%s was told what is committed to", name)

    def _associate(self, commitment: Commitment, address: CommitmentAddress) -> None:
        source = commitment.source
        entity = AE(source.called_ae)
        for name in ("acse_timeout", "dimse_timeout", "network_timeout", "connection_timeout"):
            setattr(entity, name, WAIT_SECONDS)
        entity.add_requested_context(StorageCommitmentPushModel)
        association = entity.associate(
            address.host,
            address.port,
            ae_title=source.calling_ae,
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
            evt_handlers=[(evt.EVT_CONN_OPEN, _limit_waiting)],
        )
        if not association.is_established:
            where = f"{address.host}:{address.port}"
            raise DeliveryError(f"no association with {where}")
        try:
            self._send(commitment, association)
        finally:
            association.release()

    def _send(self, commitment: Commitment, association: Association) -> None:
        event_type, report = self._build_report(commitment)
        answer, _ = association.send_n_event_report(
            report, event_type, StorageCommitmentPushModel, INSTANCE_UID
        )
        status = answer.get("Status")
        if status != 0:
            words = "not at all" if status is None else f"with 0x{status:04X}"
            raise DeliveryError(f"it answered {words}")


def _is_silent(association: Association) -> bool:
    provider = association.dimse
    if not isinstance(provider, StagingProvider):
        return True
    return time.monotonic() - provider.heard_at > SILENT_SECONDS


def _limit_waiting(event: evt.Event) -> None:
    """No byte is waited for without an end."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.settimeout(WAIT_SECONDS)
