"""The one chain of records, and the one place that adds to it.

Records are noted in the transaction of the change that they tell of, and written as the last thing
before its commit: both are durable, or neither is. Each one's hash covers its own bytes and the
hash before it. Writers take turns at the head, which every one of them locks last, so that no two
wait for each other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, event, insert, select, update

from workers.audit.actors import Actor, read_actor, read_process
from workers.audit.entries import AuditEntry, AuditRecord
from workers.audit.events import AuditEvent, Outcome
from workers.request_ids import request_id_now
from workers.tables import audit_head, audit_records

GENESIS = "0" * 64
"""What the first record has for the hash before it."""

PSEUDONYM_LETTERS = 32
PERSON_LETTERS = 255
_NOTED = "oarlock_audit"
_LISTENING = "oarlock_has_audit"


def keep_chain(engine: Engine) -> None:
    """Have what is noted on connections of an engine written when they commit."""
    event.listen(engine, "begin", _begin)
    event.listen(engine, "commit", _append_noted)
    event.listen(engine, "rollback", _forget_noted)


def note(connection: Connection, entry: AuditEntry) -> None:
    """Record an event together with what else its transaction changes."""
    if _LISTENING not in connection.info:
        raise RuntimeError("this connection keeps no audit records")
    actor = read_actor() if entry.actor is None else entry.actor
    told = {
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "event": entry.event.value,
        "outcome": int(entry.outcome),
        "person": actor.person,
        "address": actor.address,
        "proof": actor.proof,
        "request": request_id_now.get() or "",
        "process": read_process(),
        "job": entry.job_id,
        "study": entry.study_uid,
        "details": dict(entry.details),
    }
    connection.info.setdefault(_NOTED, []).append((told, entry.patient_id))


def build_hash(previous: str, content: str) -> str:
    """SHA-256 (hex) of a record's bytes and the hash before it."""
    return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()


def build_pseudonym(key: str, patient_id: str) -> str:
    """What stands for a patient: found by whoever has the ID and the key, told by neither alone."""
    made = hmac.new(bytes.fromhex(key), patient_id.encode(), hashlib.sha256)
    return made.hexdigest()[:PSEUDONYM_LETTERS]


def read_record(row: Any) -> AuditRecord:
    """The record of a row of `audit_records`."""
    told = json.loads(row.content)
    return AuditRecord(
        number=told["number"],
        at=datetime.fromisoformat(told["at"]),
        event=AuditEvent(told["event"]),
        outcome=Outcome(told["outcome"]),
        actor=Actor(told["person"], told["address"], told["proof"]),
        request_id=told["request"],
        process=told["process"],
        job_id=told["job"],
        study_uid=told["study"],
        patient=told["patient"],
        details=told["details"],
        previous=row.previous,
        hash=row.hash,
    )


def build_columns(told: dict[str, Any]) -> dict[str, Any]:
    """What of a record's content stands in columns of its own, to be searched by."""
    return {
        "number": told["number"],
        "at": datetime.fromisoformat(told["at"]),
        "event": told["event"],
        "person": _clip(told["person"], PERSON_LETTERS),
        "job_id": told["job"],
        "study_uid": told["study"],
        "patient": told["patient"],
    }


def _clip(text: str, length: int) -> str:
    """As a column takes it: PostgreSQL keeps no NUL."""
    return "".join(letter for letter in text if letter.isprintable())[:length]


def _begin(connection: Connection) -> None:
    connection.info[_LISTENING] = True
    connection.info.pop(_NOTED, None)


def _forget_noted(connection: Connection) -> None:
    connection.info.pop(_NOTED, None)


def _append_noted(connection: Connection) -> None:
    noted = connection.info.pop(_NOTED, None)
    if not noted:
        return
    head = connection.execute(select(audit_head).with_for_update()).one()
    number, previous = head.number, head.hash
    for told, patient_id in noted:
        number += 1
        told["number"] = number
        told["patient"] = _find_patient(connection, head.key, patient_id, told["study"])
        content = json.dumps(told, sort_keys=True, separators=(",", ":"))
        found = build_hash(previous, content)
        row = {**build_columns(told), "content": content, "previous": previous, "hash": found}
        connection.execute(insert(audit_records).values(row))
        previous = found
    connection.execute(update(audit_head).values(number=number, hash=previous))


def _find_patient(connection: Connection, key: str, patient_id: str, study_uid: str) -> str:
    """Most events know the study alone; the first of it knew the patient."""
    if patient_id:
        return build_pseudonym(key, patient_id)
    if not study_uid:
        return ""
    known = select(audit_records.c.patient).where(
        audit_records.c.study_uid == study_uid, audit_records.c.patient != ""
    )
    return connection.scalar(known.limit(1)) or ""
