"""What a job leaves in the outbox, written in the same transaction that ends the job."""

from __future__ import annotations

import uuid
from dataclasses import asdict, replace
from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.deliveries import DeliveryState, JobEvent
from workers.job_rows import read_job, read_planned, select_jobs
from workers.jobs import JobState, NewJob
from workers.tables import jobs, outbox

EVENTS = {
    JobState.DONE: JobEvent.DONE,
    JobState.PARTIAL: JobEvent.PARTIAL,
    JobState.FAILED: JobEvent.FAILED,
    JobState.REFUSED: JobEvent.FAILED,
    JobState.POISONED: JobEvent.FAILED,
}


def enter_deliveries(connection: Connection, job_id: str, now: datetime) -> None:
    """Enter what the job's plan asks for in the job's present state; rows that exist stay.

    A shadow job's result stays here, as does that of a superseded one, and nobody is told of it.
    """
    job = read_job(connection.execute(select_jobs().where(jobs.c.id == job_id)).one())
    if job.is_shadow or job.superseded_by is not None or job.state not in EVENTS:
        return
    for planned in job.planned:
        if planned.events:
            if EVENTS[job.state] in planned.events:
                _enter(connection, job_id, planned.destination, now, event=EVENTS[job.state])
        elif job.outputs:
            state = DeliveryState.WAITING
            if planned.is_held or job.state is JobState.PARTIAL:
                state = DeliveryState.HELD
            template = planned.template or job.outputs[0].template
            _enter(connection, job_id, planned.destination, now, state, template=template)


def enter_alarm(connection: Connection, delivery_id: str, job_id: str, now: datetime) -> None:
    """Enter the news that a delivery has failed, for all that the job's plan wants to be told."""
    planned = connection.scalar(select(jobs.c.planned).where(jobs.c.id == job_id))
    for one in read_planned(planned or ()):
        if JobEvent.DELIVERY_FAILED in one.events:
            event = JobEvent.DELIVERY_FAILED
            _enter(connection, job_id, one.destination, now, event=event, about=delivery_id)


def release_deliveries(connection: Connection, job_id: str, now: datetime) -> None:
    """Send what was held of a job that a person has just looked at, and tell that it is done."""
    held = update(outbox).where(outbox.c.job_id == job_id, outbox.c.state == DeliveryState.HELD)
    connection.execute(held.values(state=DeliveryState.WAITING))
    enter_deliveries(connection, job_id, now)


def extend_plan(connection: Connection, job: NewJob, now: datetime) -> None:
    """Add what a job of this key is planned for besides, if it was known; rows that exist stay.

    A job that is asked for in earnest is no shadow any more, whoever asked before.
    """
    query = select(jobs.c.id, jobs.c.planned, jobs.c.is_shadow).where(jobs.c.key == job.key)
    # Two that plan at once would each write what the other has not seen.
    known = connection.execute(query.with_for_update()).one()
    before = () if known.is_shadow else read_planned(known.planned)
    planned = dict.fromkeys((*before, *job.planned))
    if not known.is_shadow and len(planned) == len(before):
        return
    changed = update(jobs).where(jobs.c.id == known.id)
    records = [asdict(one) for one in planned]
    connection.execute(changed.values(planned=records, is_shadow=False))
    enter_deliveries(connection, known.id, now)


def hold_plan(connection: Connection, job_id: str) -> None:
    """Have a person look at what a job is still to send."""
    mine = jobs.c.id == job_id
    planned = connection.scalar(select(jobs.c.planned).where(mine).with_for_update())
    held = [asdict(replace(one, is_held=True)) for one in read_planned(planned or ())]
    connection.execute(update(jobs).where(mine).values(planned=held))


def _enter(
    connection: Connection,
    job_id: str,
    destination: str,
    now: datetime,
    state: DeliveryState = DeliveryState.WAITING,
    **subject: str,
) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {
        "id": str(uuid.uuid4()),
        "job_id": job_id,
        "destination": destination,
        **{"template": "", "event": "", "about": "", **subject},
        "state": state,
        "tries": 0,
        "fence": 0,
        "error": "",
        "note": "",
        "created_at": now,
    }
    connection.execute(dialect.insert(outbox).values(row).on_conflict_do_nothing())
