"""What is recorded of a series that comes in: its beginning, and what it was judged to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from workers.arrivals import ArrivalState
from workers.audit.actors import ANONYMOUS, Actor, read_actor
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent, Outcome
from workers.instances import ReceivedInstance
from workers.sources import Source, SourceKind


def note_coming(connection: Connection, source: Source, first: ReceivedInstance) -> None:
    """Record that a series has begun to come; its first object is recorded beside it."""
    entry = AuditEntry(
        AuditEvent.OBJECTS_COMING,
        actor=_find_actor(source),
        study_uid=first.study_instance_uid,
        patient_id=first.patient_id,
    )
    note(connection, entry)


def note_received(connection: Connection, row: Row[Any]) -> None:
    """Record the verdict on what came; `row`: of the arrival."""
    source = Source(**{**row.source, "kind": SourceKind(row.source["kind"])})
    is_upload = source.kind is SourceKind.UPLOAD
    is_taken = row.state in (ArrivalState.ACCEPTED, ArrivalState.IGNORED)
    entry = AuditEntry(
        AuditEvent.SERIES_IMPORTED if is_upload else AuditEvent.OBJECTS_RECEIVED,
        Outcome.SUCCESS if is_taken else Outcome.MINOR_FAILURE,
        _find_actor(source),
        study_uid=row.study_instance_uid,
        details={"state": row.state, "instances": row.received, "fault": row.fault},
    )
    note(connection, entry)


def _find_actor(source: Source) -> Actor:
    """The user whose request it is, or the sender as the site knows it."""
    actor = read_actor()
    if source.kind is SourceKind.UPLOAD or actor.person not in ("", ANONYMOUS):
        return actor
    return replace(actor, person=source.name, address=source.address)
