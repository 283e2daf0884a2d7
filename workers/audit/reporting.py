"""What a process does about its own records: it says that it runs, and sends and prunes them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from workers.audit.actors import NOBODY, name_process
from workers.audit.audit_store import AuditStore
from workers.audit.collector import read_collector
from workers.audit.cursor import AuditCursor
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.audit.forwarder import Forwarder
from workers.audit.message_xml import AuditSource
from workers.destinations.certificates import Certificates
from workers.settings import Settings

log = logging.getLogger(__name__)


@contextmanager
def running(store: AuditStore, process: str, forwarder: Forwarder | None = None) -> Iterator[None]:
    """Record that a process starts and stops, and forward records as long as it runs."""
    name_process(process)
    store.note(AuditEntry(AuditEvent.STARTED, actor=NOBODY))
    if forwarder is not None:
        forwarder.start()
    try:
        yield
    finally:
        try:
            store.note(AuditEntry(AuditEvent.STOPPED, actor=NOBODY))
        except SQLAlchemyError:
            log.exception("that this process stops could not be recorded")
        if forwarder is not None:
            forwarder.stop()


def build_forwarder(engine: Engine, store: AuditStore, settings: Settings) -> Forwarder | None:
    """What sends the records; None where the site has no collector."""
    if settings.audit_collector is None:
        return None
    source = AuditSource(settings.audit_source, settings.audit_site)
    certificates = Certificates(settings.audit_ca, settings.audit_cert, settings.audit_key)
    collector = read_collector(settings.audit_collector, source, certificates)
    return Forwarder(store, AuditCursor(engine), collector)


def build_pruning(
    store: AuditStore,
    settings: Settings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[], int]:
    """What removes records that were kept as long as the site wants, and that a collector has."""
    days = settings.audit_keep_days
    if days is None:
        return lambda: 0
    has_collector = settings.audit_collector is not None
    return lambda: store.prune(now() - timedelta(days=days), has_collector)
