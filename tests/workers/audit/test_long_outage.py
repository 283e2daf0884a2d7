"""A collector is away for an hour of work, and lacks nothing of it afterwards."""

from __future__ import annotations

import re
from contextlib import ExitStack

from sqlalchemy import Engine, func, select

from tests.workers.audit.collectors import SyslogServer, run_syslog_server
from tests.workers.processes import find_free_port
from workers.audit.audit_store import AuditStore
from workers.audit.chain import note
from workers.audit.collector import read_collector
from workers.audit.cursor import AuditCursor
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.audit.forwarder import Forwarder
from workers.audit.message_xml import AuditSource
from workers.database import writing
from workers.tables import audit_records

HOUR_SECONDS = 3600.0
PAUSE_SECONDS = 20.0  # ten times the forwarder's own, to be done sooner
# Of that hour; a job has about a dozen. PostgreSQL takes ten times as long for each.
RECORDS = {"sqlite": 20_000, "postgresql": 2_000}
MOST_BYTES = 2048  # of a record in the database; docs/audit.md
NUMBER = re.compile(rb'\[meta sequenceId="(\d+)"\]')


class Hour:
    """The forwarder's clock: what its pauses pass is worked through, and recorded."""

    def __init__(self, engine: Engine, port: int) -> None:
        self.records = RECORDS[engine.dialect.name]
        self._store, self._writing = AuditStore(engine), writing(engine)
        self._port = port
        self._ending = ExitStack()
        self.seconds = 0.0
        self.written = self.tries = 0
        self.collector: SyslogServer | None = None
        self.taken_by_first_try = -1

    def wait(self, seconds: float) -> bool:
        """Pass a pause; the last one is when everything is taken."""
        if self.collector is not None:
            self._ending.close()
            self.taken_by_first_try = len(self.collector.messages)
            return True
        self.seconds += seconds
        self.tries += 1
        self._work(min(self.records, int(self.records * self.seconds / HOUR_SECONDS)))
        if self.seconds >= HOUR_SECONDS:
            self.collector = self._ending.enter_context(run_syslog_server(port=self._port))
        return False

    def _work(self, until: int) -> None:
        with self._writing.begin() as connection:
            while self.written < until:
                self.written += 1
                note(connection, AuditEntry(AuditEvent.JOB_MADE, job_id=f"{self.written:032x}"))


def test_an_hour_s_records_come_once_and_in_order_at_the_first_try_after_it(
    engine: Engine,
) -> None:
    """It was tried all the time, and the pause did not grow: nothing is waited for any more."""
    port = find_free_port()
    hour = Hour(engine, port)
    collector = read_collector(f"tcp://127.0.0.1:{port}", AuditSource("oarlock"))
    store, cursor = AuditStore(engine), AuditCursor(engine)
    forwarder = Forwarder(store, cursor, collector, PAUSE_SECONDS, wait=hour.wait)

    forwarder.start()
    forwarder.stop()

    assert hour.collector is not None
    assert hour.tries == HOUR_SECONDS / PAUSE_SECONDS
    numbers = [int(NUMBER.search(one)[1]) for one in hour.collector.messages]  # type: ignore[index]
    assert numbers == list(range(1, hour.records + 1))
    assert hour.taken_by_first_try == hour.records
    assert store.count_unsent() == 0
    assert store.verify().fault == ""
    assert measure(engine) < hour.records * MOST_BYTES


def measure(engine: Engine) -> int:
    """Bytes of the records, with their indexes: the spool is no second copy of them."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            size = select(func.pg_total_relation_size(audit_records.name))
            return int(connection.scalar(size) or 0)
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
