"""Records of every event, as a chain would have them."""

from __future__ import annotations

from datetime import UTC, datetime

from workers.audit.actors import Actor
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent, Outcome

PATIENT = "0123456789abcdef0123456789abcdef"


def make_record(
    event: AuditEvent,
    number: int = 1,
    *,
    actor: Actor | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    study_uid: str = "1.2.3",
    **details: str | int,
) -> AuditRecord:
    """One record; of a study and a job unless it is said otherwise."""
    return AuditRecord(
        number=number,
        at=datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC),
        event=event,
        outcome=outcome,
        actor=Actor("jane", "10.0.0.7", "key 0ddba11") if actor is None else actor,
        request_id="request-1",
        process="service@host:17",
        job_id="0ddba11" if study_uid else "",
        study_uid=study_uid,
        patient=PATIENT if study_uid else "",
        details=details,
        previous="0" * 64,
        hash="1" * 64,
    )
