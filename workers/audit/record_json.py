"""A record as a line of JSON, for programs."""

from __future__ import annotations

import json
from datetime import UTC

from workers.audit.entries import AuditRecord


def build_line(record: AuditRecord) -> str:
    """One line, with everything that the record holds."""
    told = {
        "number": record.number,
        "at": record.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "event": record.event.value,
        "outcome": int(record.outcome),
        "person": record.actor.person,
        "address": record.actor.address,
        "proof": record.actor.proof,
        "request": record.request_id,
        "process": record.process,
        "job": record.job_id,
        "study": record.study_uid,
        "patient": record.patient,
        "details": dict(record.details),
        "previous": record.previous,
        "hash": record.hash,
    }
    return json.dumps(told)
