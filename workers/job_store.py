"""The truth about jobs, in SQL: what senders and readers do with them.

What a worker does with the job it runs is in `workers.lease_store`, over the same tables.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from contouring.errors import UnknownJobError, WrongJobStateError
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.audit.job_entries import note_job
from workers.database import writing
from workers.deliveries import DeliveryState
from workers.instance_rows import forget_results
from workers.job_rows import (
    NO_LOSSES,
    NOT_DUE,
    build_failure_values,
    build_row,
    find_turn,
    read_job,
    select_jobs,
)
from workers.jobs import (
    CLAIMABLE,
    RETRYABLE,
    WAITING,
    Job,
    JobState,
    NewJob,
    Priority,
    find_sources,
)
from workers.outbox_rows import extend_plan, hold_plan, release_deliveries
from workers.series_rows import note_series
from workers.tables import jobs, outbox, results

AddedWith = Callable[[Connection, tuple[Job, ...]], None]
"""What is written in the transaction that adds jobs, which it is given."""


def read_clock() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs to list; None lets every value pass."""

    state: JobState | None = None
    model_name: str | None = None
    priority: Priority | None = None
    series_instance_uid: str | None = None
    project: str | None = None


@dataclass(frozen=True)
class JobPage:
    """Some jobs, newest first; `has_more` says whether older ones follow."""

    jobs: tuple[Job, ...]
    has_more: bool


class JobStore:
    """Jobs of one database."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = read_clock) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._now = now

    def add(self, new_jobs: Iterable[NewJob], also: AddedWith | None = None) -> tuple[Job, ...]:
        """Store jobs in one transaction, and what else belongs to them; a job that is already
        known is returned as it stands.
        """
        with self._writing.begin() as connection:
            added = tuple(self._add_one(connection, job) for job in new_jobs)
            if also is not None:
                also(connection, added)
        return added

    def find(self, job_id: str) -> Job:
        """The job of this id."""
        with self._reading.connect() as connection:
            return _find(connection, job_id)

    def find_by_series(self, series_digest: str) -> tuple[Job, ...]:
        """Jobs of exactly this series, newest first."""
        query = select_jobs().where(jobs.c.series_digest == series_digest)
        with self._reading.connect() as connection:
            rows = connection.execute(query.order_by(jobs.c.created_at.desc(), jobs.c.id))
            return tuple(read_job(row) for row in rows)

    def list_page(self, wanted: JobFilter, limit: int, before: str | None = None) -> JobPage:
        """Up to `limit` jobs, newest first, starting after the job with id `before`.

        Raises `UnknownJobError` where there is no such one, or it is of another project.
        """
        query = select_jobs().where(*_build_conditions(wanted))
        with self._reading.connect() as connection:
            if before is not None:
                last = _find(connection, before)
                if wanted.project not in (None, last.project):
                    raise UnknownJobError(before)
                same_moment = and_(jobs.c.created_at == last.created_at, jobs.c.id < last.id)
                query = query.where(or_(jobs.c.created_at < last.created_at, same_moment))
            query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit + 1)
            found = [read_job(row) for row in connection.execute(query)]
        return JobPage(tuple(found[:limit]), len(found) > limit)

    def count_by_state(self) -> dict[JobState, int]:
        """Number of jobs in every state."""
        query = select(jobs.c.state, func.count().label("total")).group_by(jobs.c.state)
        with self._reading.connect() as connection:
            found = {row.state: row.total for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in JobState}

    def find_waiting(self) -> tuple[Job, ...]:
        """Jobs that a worker may claim, next one first."""
        query = select_jobs().where(jobs.c.state.in_(CLAIMABLE))
        with self._reading.connect() as connection:
            rows = connection.execute(query.order_by(jobs.c.turn_at, jobs.c.id))
            return tuple(read_job(row) for row in rows)

    def mark_queued(self, job_ids: Sequence[str]) -> None:
        """Note that workers were told about these jobs; those past pending are left alone."""
        told = and_(jobs.c.id.in_(job_ids), jobs.c.state.in_(find_sources(JobState.QUEUED)))
        with self._writing.begin() as connection:
            connection.execute(update(jobs).where(told).values(state=JobState.QUEUED))

    def cancel(self, job_id: str) -> Job:
        """Cancel a waiting job now; ask the worker of a running one to stop."""
        mine = jobs.c.id == job_id
        waiting = update(jobs).where(mine, jobs.c.state.in_(WAITING))
        running = update(jobs).where(mine, jobs.c.state == JobState.RUNNING)
        with self._writing.begin() as connection:
            cancelled = connection.execute(
                waiting.values(state=JobState.CANCELLED, finished_at=self._now(), **NOT_DUE)
            )
            asked = connection.execute(running.values(cancel_requested=True))
            job = _find(connection, job_id)
            if cancelled.rowcount + asked.rowcount == 0:
                raise WrongJobStateError(job_id, job.state, "only an unfinished job is cancelled")
            note_job(connection, AuditEvent.JOB_CANCELLED, job_id)
            return job

    def retry(self, job_id: str) -> Job:
        """Put a job that ended without a whole result back in line; no attempt counts against it.

        What a partial one has left is forgotten.
        """
        again = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(RETRYABLE))
        with self._writing.begin() as connection:
            priority = _find(connection, job_id).priority
            changed = connection.execute(
                again.values(
                    state=JobState.PENDING,
                    turn_at=find_turn(priority, self._now()),
                    **NO_LOSSES,
                    cancel_requested=False,
                    stage=None,
                    progress=0.0,
                    started_at=None,
                    finished_at=None,
                    **build_failure_values(None),
                )
            )
            job = _find(connection, job_id)
            if changed.rowcount == 0:
                raise WrongJobStateError(
                    job_id, job.state, "only a job that ended without a whole result is run again"
                )
            for table in (results, outbox):
                connection.execute(delete(table).where(table.c.job_id == job_id))
            forget_results(connection, job_id)
            note_job(connection, AuditEvent.JOB_RETRIED, job_id)
            return _find(connection, job_id)

    def release(self, job_id: str) -> Job:
        """Give out the files of a partial job, and send them to where they are planned to go.

        A person has seen what is missing in them.
        """
        held = update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.PARTIAL)
        with self._writing.begin() as connection:
            changed = connection.execute(
                held.values(state=JobState.DONE, **build_failure_values(None))
            )
            job = _find(connection, job_id)
            if changed.rowcount == 0:
                raise WrongJobStateError(job_id, job.state, "only a partial job is released")
            release_deliveries(connection, job_id, self._now())
            note_job(connection, AuditEvent.JOB_RELEASED, job_id)
            return job

    def hold_deliveries(self, job_ids: Sequence[str]) -> None:
        """Let nothing more leave of these jobs until a person says so: their series goes on."""
        waiting = and_(outbox.c.job_id.in_(job_ids), outbox.c.state == DeliveryState.WAITING)
        with self._writing.begin() as connection:
            connection.execute(update(outbox).where(waiting).values(state=DeliveryState.HELD))
            for job_id in sorted(job_ids):
                hold_plan(connection, job_id)

    def supersede(self, old_ids: Sequence[str], new_id: str) -> None:
        """Note that a job with more of the same series takes their place.

        They stop if they can, and what has not left by now stays.
        """
        old = jobs.c.id.in_(old_ids)
        unsent = outbox.c.state.in_(
            (DeliveryState.WAITING, DeliveryState.HELD, DeliveryState.FAILED)
        )
        running = update(jobs).where(old, jobs.c.state == JobState.RUNNING)
        waiting = update(jobs).where(old, jobs.c.state.in_(WAITING))
        with self._writing.begin() as connection:
            connection.execute(update(jobs).where(old).values(superseded_by=new_id))
            connection.execute(delete(outbox).where(outbox.c.job_id.in_(old_ids), unsent))
            connection.execute(running.values(cancel_requested=True))
            cancelled = connection.scalars(
                waiting.values(
                    state=JobState.CANCELLED, finished_at=self._now(), **NOT_DUE
                ).returning(jobs.c.id)
            )
            for job_id in sorted(cancelled):
                note_job(connection, AuditEvent.JOB_CANCELLED, job_id)

    def set_legal_hold(self, job_id: str, is_held: bool) -> Job:
        """Keep a job and its series from being purged, or no longer."""
        mine = and_(jobs.c.id == job_id, jobs.c.state != JobState.PURGED)
        with self._writing.begin() as connection:
            changed = connection.execute(update(jobs).where(mine).values(legal_hold=is_held))
            job = _find(connection, job_id)
            if changed.rowcount == 0:
                raise WrongJobStateError(job_id, job.state, "there is nothing left to hold")
            note_job(connection, AuditEvent.JOB_HELD if is_held else AuditEvent.HOLD_LIFTED, job_id)
            return job

    def check(self) -> None:
        """Raise SQLAlchemyError unless the database answers."""
        with self._reading.connect() as connection:
            connection.execute(text("SELECT 1 FROM jobs LIMIT 1"))

    def _add_one(self, connection: Connection, job: NewJob) -> Job:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        # A known job that is being purged is gone before it is asked whether there is one.
        known = select(jobs.c.id).where(jobs.c.key == job.key)
        connection.execute(known.with_for_update())
        job = replace(job, warnings=(*job.warnings, *note_series(connection, job)))
        row = build_row(str(uuid.uuid4()), job, self._now())
        adding = dialect.insert(jobs).values(row).on_conflict_do_nothing(index_elements=["key"])
        if connection.scalar(adding.returning(jobs.c.id)) is not None:
            _note_made(connection, str(row["id"]), job)
        if job.priority is Priority.URGENT:
            _make_urgent(connection, job.key, self._now())
        if not job.is_shadow:
            extend_plan(connection, job, self._now())
        return read_job(connection.execute(select_jobs().where(jobs.c.key == job.key)).one())


def _note_made(connection: Connection, job_id: str, job: NewJob) -> None:
    entry = AuditEntry(
        AuditEvent.JOB_MADE,
        job_id=job_id,
        study_uid=job.study_instance_uid,
        patient_id=job.patient_id,
        details={"instances": job.slice_count},
    )
    note(connection, entry)


def _make_urgent(connection: Connection, key: str, now: datetime) -> None:
    """Of a job that was sent before and waits, too; none ever moves back in line."""
    turn = find_turn(Priority.URGENT, now)
    slower = and_(jobs.c.key == key, jobs.c.state.in_(WAITING), jobs.c.turn_at > turn)
    connection.execute(update(jobs).where(slower).values(turn_at=turn))
    waiting = and_(jobs.c.key == key, jobs.c.state.in_(WAITING))
    connection.execute(update(jobs).where(waiting).values(priority=Priority.URGENT))


def _find(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select_jobs().where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise UnknownJobError(job_id)
    return read_job(row)


def _build_conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    pairs = {
        jobs.c.state: wanted.state,
        jobs.c.model_name: wanted.model_name,
        jobs.c.priority: wanted.priority,
        jobs.c.series_instance_uid: wanted.series_instance_uid,
        jobs.c.project: wanted.project,
    }
    return [column == value for column, value in pairs.items() if value is not None]
