"""What is recorded of a job."""

from __future__ import annotations

from sqlalchemy import Connection, select

from workers.audit.actors import NOBODY, Actor
from workers.audit.chain import note
from workers.audit.entries import AuditEntry, Details
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
    details: Details | None = None,
) -> None:
    """Record what was done with a job, with the study that its row names at this moment."""
    study = connection.scalar(select(jobs.c.study_instance_uid).where(jobs.c.id == job_id))
    entry = AuditEntry(
        event, outcome, actor, job_id=job_id, study_uid=study or "", details=details or {}
    )
    note(connection, entry)


def note_end(connection: Connection, job_id: str) -> None:
    """Record the state in which a worker leaves a job, if it is an end."""
    query = select(jobs.c.state, jobs.c.failure_code).where(jobs.c.id == job_id)
    row = connection.execute(query).one()
    told = {"state": row.state, "fault": row.failure_code or ""}
    if row.state in (JobState.DONE, JobState.PARTIAL):
        note_job(connection, AuditEvent.RESULT_MADE, job_id, actor=NOBODY, details=told)
    elif row.state == JobState.CANCELLED:
        note_job(connection, AuditEvent.JOB_CANCELLED, job_id, actor=NOBODY, details=told)
    elif row.state in (JobState.FAILED, JobState.REFUSED, JobState.POISONED):
        failure = Outcome.SERIOUS_FAILURE
        note_job(connection, AuditEvent.JOB_FAILED, job_id, failure, actor=NOBODY, details=told)
