"""Associations under way: who may have one, and how many there are."""

from __future__ import annotations

import logging
import threading
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from pynetdicom import evt

from service.dimse.listener import find_certificate
from service.dimse.session import Session
from service.dimse.staging_provider import StagingProvider
from workers.audit.actors import Actor
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent, Outcome
from workers.source_book import Sender, SourceBook
from workers.sources import Source, SourceKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynetdicom.association import Association

    from workers.audit.refusals import Refusals
    from workers.settings import Settings

# Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 9.3.4).
CALLING_AE_UNKNOWN = (1, 1, 3)
CALLED_AE_UNKNOWN = (1, 1, 7)
TOO_MANY = (2, 3, 2)  # transient: a local limit is exceeded
POLL_SECONDS = 0.1

log = logging.getLogger(__name__)


class Sessions:
    """Admits associations, and knows those that are under way."""

    def __init__(
        self,
        book: SourceBook,
        settings: Settings,
        open_session: Callable[[Sender], Session],
        take_request: Callable[[evt.Event, Source], tuple[int, None]],
        refusals: Refusals,
    ) -> None:
        self._book = book
        self._settings = settings
        self._open_session = open_session
        self._take_request = take_request
        self._refusals = refusals
        self._running: dict[Association, Session] = {}
        self._changing = threading.Lock()

    def admit(self, event: evt.Event) -> None:
        """Decide on a request: a session begins, or the request is rejected."""
        association = event.assoc
        calling_ae, called_ae = _find_titles(association)
        address = _find_address(association)
        certificate = find_certificate(association.dul.socket)
        sender = self._book.find(SourceKind.DIMSE, calling_ae, called_ae, address, certificate)
        proof = f"certificate {certificate!r}" if certificate else ""
        actor = Actor(calling_ae, address, proof)
        if not self._is_called_right(called_ae, sender):
            self._reject(association, CALLED_AE_UNKNOWN, actor, "it calls another AE than ours")
        elif sender is None:
            self._reject(association, CALLING_AE_UNKNOWN, actor, "no source is known as that")
        elif not self._begin(association, sender):
            self._reject(association, TOO_MANY, actor, "too many associations at once")
        else:
            log.info("association as source %s", sender.source.shown)

    def wait_until_over(self, seconds: float) -> None:
        """Let associations end by themselves; those that do not are aborted."""
        end = time.monotonic() + seconds
        while self._list_running() and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        for association in self._list_running():
            log.warning("an association is aborted, for this node stops")
            association.abort()

    def _is_called_right(self, called_ae: str, sender: Sender | None) -> bool:
        if not self._settings.dimse_requires_called_ae or called_ae == self._settings.ae_title:
            return True
        return sender is not None and sender.entry.called_ae == called_ae

    def _begin(self, association: Association, sender: Sender) -> bool:
        with self._changing:
            alive = {one: session for one, session in self._running.items() if _is_alive(one)}
            self._running = alive
            if len(alive) >= self._settings.dimse_associations:
                return False
            session = self._running[association] = self._open_session(sender)
        if isinstance(association.dimse, StagingProvider):
            association.dimse.session = session
        association.bind(evt.EVT_N_ACTION, self._take_request, [sender.source])
        for ending in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_CONN_CLOSE):
            association.bind(ending, self._end)
        return True

    def _end(self, event: evt.Event) -> None:
        with self._changing:
            session = self._running.pop(event.assoc, None)
        if session is not None:
            session.end(is_released=event.event is evt.EVT_RELEASED)
        if isinstance(event.assoc.dimse, StagingProvider):
            event.assoc.dimse.discard()

    def _reject(
        self, association: Association, reason: tuple[int, int, int], actor: Actor, words: str
    ) -> None:
        # A title that nobody knows may say anything: it stands in the audit records alone. A
        # certificate is one that the site's CA has signed.
        who = ", ".join(part for part in (actor.address, actor.proof) if part)
        log.warning("association of %s rejected: %s", who, words)
        if reason is not TOO_MANY:
            told = {"reason": ",".join(str(number) for number in reason)}
            failure = Outcome.SERIOUS_FAILURE
            self._refusals.note(AuditEntry(AuditEvent.NODE_REFUSED, failure, actor, details=told))
        association.acse.send_reject(*reason)
        association.kill()  # returns once it is sent

    def _list_running(self) -> list[Association]:
        with self._changing:
            return [one for one in self._running if _is_alive(one)]


def _is_alive(association: Association) -> bool:
    """Of its two threads, the one that reads also stores."""
    return association.is_alive() or association.dul.is_alive()


def _find_address(association: Association) -> str:
    info = association.requestor.address_info
    if info is None:
        return ""
    found = ip_address(info.address)
    # A node that listens to both kinds is told of 10.0.0.5 as of ::ffff:10.0.0.5 (RFC 4291 2.5.5).
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(found)


def _find_titles(association: Association) -> tuple[str, str]:
    request = association.requestor.primitive
    if request is None:
        return "", ""
    return (request.calling_ae_title or "").strip(), (request.called_ae_title or "").strip()
