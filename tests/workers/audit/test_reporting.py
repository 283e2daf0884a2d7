"""A process says that it runs and that it stops."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.workers.audit.collectors import run_syslog_server
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.events import AuditEvent
from workers.audit.reporting import build_forwarder, running
from workers.settings import Settings


@pytest.fixture
def store(engine: Engine) -> AuditStore:
    """Records of an empty database."""
    return AuditStore(engine)


def test_a_process_that_fails_stops_too(store: AuditStore) -> None:
    """Only one that is killed does not say so."""
    with pytest.raises(ZeroDivisionError), running(store, "worker"):
        _ = 1 / 0

    records = list(store.search(AuditFilter()))

    assert [record.event for record in records] == [AuditEvent.STARTED, AuditEvent.STOPPED]
    assert {record.process.partition("@")[0] for record in records} == {"worker"}


def test_the_last_record_of_a_process_is_sent_before_it_ends(
    engine: Engine, store: AuditStore
) -> None:
    """That it stops is what an audit repository waits for."""
    with run_syslog_server() as server:
        settings = Settings(audit_collector=f"tcp://127.0.0.1:{server.port}")
        with running(store, "service", build_forwarder(engine, store, settings)):
            pass

    assert len(server.messages) == 2
    assert b'csd-code="stopped"' in server.messages[-1]


@pytest.mark.parametrize(
    "address", ["http://collector", "tcp://collector:601", "tls://", "udp://127.0.0.1"]
)
def test_records_go_elsewhere_over_tls_alone(address: str) -> None:
    """They name people, addresses and studies."""
    with pytest.raises(ValueError, match="audit_collector"):
        Settings(audit_collector=address)


def test_a_site_without_a_collector_sends_nothing(engine: Engine, store: AuditStore) -> None:
    """It is a choice."""
    assert build_forwarder(engine, store, Settings()) is None
