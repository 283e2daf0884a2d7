"""The records of one database: searched, verified, and kept for as long as a site wants them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, Row, delete, func, or_, select, update

from workers.audit.chain import build_columns, build_hash, build_pseudonym, note, read_record
from workers.audit.entries import AuditEntry, AuditRecord
from workers.audit.events import AuditEvent
from workers.tables import audit_cursor, audit_head, audit_records

PAGE = 1000
"""Records read at once."""


@dataclass(frozen=True)
class AuditFilter:
    """Which records to find; None lets every value pass.

    `patient_id`: also what names only a study of the patient, or a job on one.
    """

    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None
    event: AuditEvent | None = None
    job_id: str | None = None
    patient_id: str | None = None


@dataclass(frozen=True)
class ChainState:
    """What a walk over the chain found; `fault`: where it is broken, empty if it is whole."""

    count: int
    number: int
    hash: str
    fault: str = ""


@dataclass(frozen=True)
class _Head:
    number: int
    hash: str
    first: int
    before: str


class AuditStore:
    """Records of one database; `engine`: one whose connections keep the chain."""

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        self._writing = engine.execution_options(oarlock_writes=True)

    def note(self, entry: AuditEntry) -> None:
        """Record an event that changes nothing else; it is durable on return."""
        with self._writing.begin() as connection:
            note(connection, entry)

    def count(self, wanted: AuditFilter) -> int:
        """Number of records that match."""
        query = select(func.count()).select_from(audit_records).where(*self._build(wanted))
        with self._reading.connect() as connection:
            return connection.scalar(query) or 0

    def search(self, wanted: AuditFilter) -> Iterator[AuditRecord]:
        """Records that match, the oldest first."""
        conditions = self._build(wanted)
        last = 0
        while rows := self._read_page(last, *conditions):
            yield from (read_record(row) for row in rows)
            last = rows[-1].number

    def read_after(self, number: int, limit: int) -> tuple[AuditRecord, ...]:
        """The records that follow one."""
        rows = self._read_page(number, limit=limit)
        return tuple(read_record(row) for row in rows)

    def verify(self, progress: Callable[[float], None] = lambda fraction: None) -> ChainState:
        """Walk over all records: each as it was written, none missing, none added, to the last.

        Stops at the first fault.
        """
        # First: what is added meanwhile is not held against it.
        head = self._read_head()
        number, previous = head.first - 1, head.before
        count = 0
        while rows := self._read_page(number):
            for row in rows:
                if row.number > head.number:
                    break
                fault = _find_fault(row, number + 1, previous)
                if fault:
                    return ChainState(count, number, previous, fault)
                number, previous = row.number, row.hash
                count += 1
            progress(count / max(1, head.number - head.first + 1))
            if rows[-1].number >= head.number:
                break
        fault = ""
        if number != head.number:
            fault = f"records {number + 1} to {head.number} are missing: the end was cut off"
        elif previous != head.hash:
            fault = f"record {number} is not the one that was written last"
        elif beyond := self._count_beyond():
            fault = f"{beyond} record(s) stand behind the last one that was written"
        return ChainState(count, number, previous, fault)

    def has(self, number: int, checksum: str) -> bool:
        """Whether a record stands there with this hash."""
        mine = select(audit_records.c.hash).where(audit_records.c.number == number)
        with self._reading.connect() as connection:
            return connection.scalar(mine) == checksum

    def prune(self, before: datetime, unsent_stay: bool) -> int:
        """Remove the oldest records up to a time; how many. `unsent_stay`: a collector wants them.

        The newest record always stays, and that some were removed is recorded.
        """
        with self._writing.begin() as connection:
            head = connection.execute(select(audit_head).with_for_update()).one()
            last = select(func.min(audit_records.c.number)).where(audit_records.c.at >= before)
            limit = connection.scalar(last)
            first = min(head.number, head.number if limit is None else limit)
            if unsent_stay:
                sent = connection.scalar(select(audit_cursor.c.sent)) or 0
                first = min(first, sent + 1)
            if first <= head.first:
                return 0
            kept = select(audit_records.c.previous).where(audit_records.c.number == first)
            previous = connection.scalar(kept)
            connection.execute(delete(audit_records).where(audit_records.c.number < first))
            connection.execute(update(audit_head).values(first=first, before=previous))
            note(connection, AuditEntry(AuditEvent.AUDIT_PRUNED, details={"first": first}))
            return int(first - head.first)

    def find_last(self, event: AuditEvent) -> AuditRecord | None:
        """The newest record of an event."""
        mine = audit_records.c.event == event
        query = select(audit_records).where(mine).order_by(audit_records.c.number.desc()).limit(1)
        with self._reading.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else read_record(row)

    def count_unsent(self) -> int:
        """Records that the collector does not have."""
        with self._reading.connect() as connection:
            written = connection.scalar(select(audit_head.c.number)) or 0
            return written - (connection.scalar(select(audit_cursor.c.sent)) or 0)

    def read_key(self) -> str:
        """What patients' pseudonyms are made with."""
        with self._reading.connect() as connection:
            return str(connection.scalar(select(audit_head.c.key)))

    def _read_head(self) -> _Head:
        with self._reading.connect() as connection:
            row = connection.execute(select(audit_head)).one()
        return _Head(row.number, row.hash, row.first, row.before)

    def _count_beyond(self) -> int:
        """Nobody but a writer adds records, and a writer moves the head with them."""
        with self._reading.connect() as connection:
            head = select(audit_head.c.number).scalar_subquery()
            query = select(func.count()).select_from(audit_records)
            return connection.scalar(query.where(audit_records.c.number > head)) or 0

    def _read_page(
        self, number: int, *conditions: ColumnElement[bool], limit: int = PAGE
    ) -> list[Row[tuple[object, ...]]]:
        query = select(audit_records).where(audit_records.c.number > number, *conditions)
        with self._reading.connect() as connection:
            return list(connection.execute(query.order_by(audit_records.c.number).limit(limit)))

    def _build(self, wanted: AuditFilter) -> list[ColumnElement[bool]]:
        columns = audit_records.c
        conditions: list[ColumnElement[bool]] = []
        if wanted.since is not None:
            conditions.append(columns.at >= wanted.since)
        if wanted.until is not None:
            conditions.append(columns.at < wanted.until)
        if wanted.person is not None:
            conditions.append(columns.person == wanted.person)
        if wanted.event is not None:
            conditions.append(columns.event == wanted.event)
        if wanted.job_id is not None:
            conditions.append(columns.job_id == wanted.job_id)
        if wanted.patient_id is not None:
            pseudonym = build_pseudonym(self.read_key(), wanted.patient_id)
            studies = select(columns.study_uid).where(
                columns.patient == pseudonym, columns.study_uid != ""
            )
            mine = select(columns.job_id).where(columns.patient == pseudonym, columns.job_id != "")
            conditions.append(
                or_(
                    columns.patient == pseudonym,
                    columns.study_uid.in_(studies),
                    columns.job_id.in_(mine),
                )
            )
        return conditions


def _find_fault(row: Row[tuple[object, ...]], number: int, previous: str) -> str:
    values = row._mapping
    if values["number"] != number:
        return f"record {number} is missing: {values['number']} follows {number - 1}"
    if values["previous"] != previous:
        return f"record {number} does not follow the one before it"
    if build_hash(previous, str(values["content"])) != values["hash"]:
        return f"record {number} was changed"
    told = build_columns(json.loads(str(values["content"])))
    if any(values[name] != value for name, value in told.items()):
        return f"record {number} is told in its columns otherwise than it was written"
    return ""
