"""What is recorded of a job."""

from __future__ import annotations

from sqlalchemy import Connection, select

from workers.audit.actors import NOBODY, Actor
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent, Outcome
from workers.jobs import JobState
from workers.tables import jobs


def note_job(
    connection: Connection,
    event: AuditEvent,
    job_id: str,
    outcome: Outcome = Outcome.SUCCESS,
    *,
    actor: Actor | None = None,
    **details: str | int,
) -> None:
    """Record what was done with a job, with the study that its row names at this moment."""
    study = connection.scalar(select(jobs.c.study_instance_uid).where(jobs.c.id == job_id))
    entry = AuditEntry(event, outcome, actor, job_id=job_id, study_uid=study or "", details=details)
    note(connection, entry)


def note_end(connection: Connection, job_id: str) -> None:
    """Record the state in which a worker leaves a job, if it is an end."""
    query = select(jobs.c.state, jobs.c.failure_code).where(jobs.c.id == job_id)
    row = connection.execute(query).one()
    if row.state in (JobState.DONE, JobState.PARTIAL):
        note_job(connection, AuditEvent.RESULT_MADE, job_id, actor=NOBODY, state=row.state)
    elif row.state == JobState.CANCELLED:
        note_job(connection, AuditEvent.JOB_CANCELLED, job_id, actor=NOBODY, state=row.state)
    elif row.state in (JobState.FAILED, JobState.REFUSED, JobState.POISONED):
        told = {"state": row.state, "fault": row.failure_code or ""}
        failure = Outcome.SERIOUS_FAILURE
        note_job(connection, AuditEvent.JOB_FAILED, job_id, failure, actor=NOBODY, **told)
