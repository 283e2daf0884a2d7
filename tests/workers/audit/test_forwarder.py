"""The collector gets every record, in order, however often it is away."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import Engine, update

from contouring.errors import DeliveryError
from tests.workers.audit.collectors import SyslogServer, run_syslog_server
from tests.workers.destinations.http_servers import Keys, make_keys
from tests.workers.processes import find_free_port, wait_until
from workers.audit.audit_store import AuditStore
from workers.audit.collector import Collector, read_collector
from workers.audit.cursor import AuditCursor
from workers.audit.entries import AuditEntry, AuditRecord
from workers.audit.events import AuditEvent
from workers.audit.forwarder import BATCH, Forwarder, TakesRecords
from workers.audit.message_xml import AuditSource
from workers.database import writing
from workers.destinations.certificates import Certificates
from workers.tables import audit_cursor

SOURCE = AuditSource("oarlock")
HEADER = re.compile(
    rb"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ oarlock-\S+ \d+ DICOM\+RFC3881 "
    rb'\[meta sequenceId="(\d+)"\] \xef\xbb\xbf(<AuditMessage>.*</AuditMessage>)'
)


@pytest.fixture
def store(engine: Engine) -> AuditStore:
    """Records of an empty database."""
    return AuditStore(engine)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Of the collector."""
    return make_keys(tmp_path_factory.mktemp("keys"), "localhost")


@pytest.fixture
def tls(keys: Keys) -> ssl.SSLContext:
    """The collector's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.certificate, keys.key)
    return context


def fill(store: AuditStore, count: int) -> None:
    """So many records."""
    for _ in range(count):
        store.note(AuditEntry(AuditEvent.JOB_MADE, study_uid="1.2.3"))


def read_numbers(server: SyslogServer) -> list[int]:
    """Of the messages that came, each of which is whole and well formed."""
    numbers = []
    for message in server.messages:
        found = HEADER.fullmatch(message)
        assert found is not None, message
        assert etree.fromstring(found[2]).tag == "AuditMessage"
        numbers.append(int(found[1]))
    return numbers


def reach(port: int, scheme: str = "tcp", ca: Path | None = None) -> Collector:
    """A collector on this machine."""
    address = f"{scheme}://localhost:{port}"
    return read_collector(address, SOURCE, Certificates(ca))


def build(engine: Engine, collector: TakesRecords) -> Forwarder:
    """A sender that does not wait long."""
    return Forwarder(AuditStore(engine), AuditCursor(engine), collector, pause_seconds=0.05)


def test_records_come_over_tls_in_their_order(
    engine: Engine, store: AuditStore, tls: ssl.SSLContext, keys: Keys
) -> None:
    """More of them than one batch has."""
    fill(store, 7)
    with run_syslog_server(tls) as server:
        forwarder = build(engine, reach(server.port, "tls", keys.certificate))

        counts = (forwarder.forward(), forwarder.forward())

    assert counts == (7, 0)
    assert read_numbers(server) == [1, 2, 3, 4, 5, 6, 7]


def test_a_stranger_gets_no_record(
    engine: Engine, store: AuditStore, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    """The certificate must be one of the CA's."""
    fill(store, 1)
    other = make_keys(tmp_path, "other")
    with run_syslog_server(tls) as server:
        forwarder = build(engine, reach(server.port, "tls", other.certificate))

        with pytest.raises(DeliveryError, match="the audit collector tls://localhost"):
            forwarder.forward()

    assert server.messages == []


def test_what_comes_while_the_collector_is_away_comes_after_it(
    engine: Engine, store: AuditStore
) -> None:
    """The database is the spool; the length of the outage makes no difference to it."""
    port = find_free_port()
    fill(store, 3)
    forwarder = build(engine, reach(port))
    forwarder.start()
    for _ in range(5):
        fill(store, BATCH // 10)
    with run_syslog_server(port=port) as server:
        wanted = 3 + 5 * (BATCH // 10)
        wait_until(lambda: len(server.messages) >= wanted, "all records")
        forwarder.stop()

    assert read_numbers(server) == list(range(1, wanted + 1))


def test_a_batch_that_was_cut_off_is_sent_again(
    engine: Engine, store: AuditStore, tls: ssl.SSLContext, keys: Keys
) -> None:
    """Syslog answers nothing: what was not surely taken was not taken."""
    fill(store, 40)
    for context, scheme in ((None, "tcp"), (tls, "tls")):
        with run_syslog_server(context, dies_after=9000) as dying:
            forwarder = build(engine, reach(dying.port, scheme, keys.certificate))
            with pytest.raises(DeliveryError):
                forwarder.forward()
        with run_syslog_server(context) as server:
            forwarder = build(engine, reach(server.port, scheme, keys.certificate))
            _free(engine)
            forwarder.forward()
        assert dying.messages == []
        assert read_numbers(server) == list(range(1, 41))
        _start_anew(engine)


def test_one_process_after_another_goes_on_where_it_stopped(
    engine: Engine, store: AuditStore
) -> None:
    """Also after a restart; two at once do not send the same."""
    with run_syslog_server() as server:
        first, second = (build(engine, reach(server.port)) for _ in range(2))
        fill(store, 2)
        first.forward()
        fill(store, 2)
        counts = [second.forward()]
        first.start()
        first.stop()
        fill(store, 1)
        counts.append(second.forward())

    assert counts == [0, 1]
    assert read_numbers(server) == [1, 2, 3, 4, 5]


def test_a_collector_that_never_closes_has_taken_what_its_machine_has(
    engine: Engine, store: AuditStore
) -> None:
    """Some keep the connection open for ever: nothing would move on otherwise."""
    fill(store, 2)
    with run_syslog_server(stays_open=True) as server:
        collector = reach(server.port)
        patient = Collector(**{**vars(collector), "timeout_seconds": 1.0})

        count = build(engine, patient).forward()

        assert count == 2


def test_a_fault_that_nobody_thought_of_ends_no_forwarding(
    engine: Engine, store: AuditStore
) -> None:
    """Else no record would leave until the next start."""
    fill(store, 2)

    class Stumbling:
        """Fails once in a way of its own."""

        has_failed = False

        def send(self, records: tuple[AuditRecord, ...]) -> None:
            if not self.has_failed:
                self.has_failed = True
                raise ValueError("unforeseen")
            collector.send(records)

    with run_syslog_server() as server:
        collector = reach(server.port)
        forwarder = build(engine, Stumbling())
        forwarder.start()
        wait_until(lambda: len(server.messages) == 2, "both records")
        forwarder.stop()

    assert read_numbers(server) == [1, 2]


def test_unsent_records_are_counted(engine: Engine, store: AuditStore) -> None:
    """For an alarm."""
    cursor = AuditCursor(engine)
    fill(store, 3)
    before = store.count_unsent()
    cursor.claim()
    cursor.move(2)

    assert (before, store.count_unsent()) == (3, 1)


def _free(engine: Engine) -> None:
    with writing(engine).begin() as connection:
        connection.execute(update(audit_cursor).values(holder=None))


def _start_anew(engine: Engine) -> None:
    with writing(engine).begin() as connection:
        connection.execute(update(audit_cursor).values(holder=None, sent=0))
