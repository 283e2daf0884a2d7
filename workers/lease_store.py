"""The lease a worker holds on the job it runs: claimed, renewed, and given up exactly once.

Each claim raises the job's fence, and so does each loss of a lease. Whatever a worker writes is
conditional on the fence it claimed with, so that a worker which was given up changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from contouring.errors import JobCancelledError, LeaseLostError
from workers.attempt_limits import AttemptLimits, Loss
from workers.audit.job_entries import note_end
from workers.database import read_lease_clock, writing
from workers.instance_rows import enter_results
from workers.instances import ReceivedInstance
from workers.job_rows import (
    NOT_DUE,
    build_failure_values,
    merge_warnings,
    read_job,
    select_jobs,
)
from workers.job_store import read_clock
from workers.jobs import CLAIMABLE, Failure, Job, JobState, OutputRecord, StructureRecord
from workers.outbox_rows import enter_deliveries
from workers.tables import jobs, results

NO_LEASE: Mapping[str, None] = {"worker": None, "lease_clock": None, "lease_until": None}


@dataclass(frozen=True)
class NewResult:
    """What a finished attempt leaves.

    `folder` is below the results; `files`: the SHA-256 (hex) of each file in it; `instances`: those
    of them that are DICOM; `held`: why a person must release them first, None if nobody must.
    """

    folder: str
    files: Mapping[str, str]
    outputs: tuple[OutputRecord, ...]
    structures: tuple[StructureRecord, ...]
    warnings: tuple[str, ...]
    stage_seconds: Mapping[str, float]
    held: Failure | None = None
    instances: tuple[ReceivedInstance, ...] = ()


class LeaseStore:
    """Leases on the jobs of one database."""

    def __init__(
        self,
        engine: Engine,
        lease_seconds: float,
        limits: AttemptLimits,
        now: Callable[[], datetime] = read_clock,
    ) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._lease_seconds = lease_seconds
        self._limits = limits
        self._now = now

    def claim(self, worker: str) -> Job | None:
        """Take the job whose turn it is, or None; the attempt counts from here on."""
        turn = _order_waiting(jobs.c.id).limit(1).with_for_update(skip_locked=True)
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            claim = update(jobs).where(
                jobs.c.id == turn.scalar_subquery(), jobs.c.state.in_(CLAIMABLE)
            )
            claim = claim.values(
                state=JobState.RUNNING,
                attempt=jobs.c.attempt + 1,
                fence=jobs.c.fence + 1,
                worker=worker,
                lease_clock=clock,
                lease_until=now + self._lease_seconds,
                stage=None,
                progress=0.0,
                started_at=self._now(),
                **build_failure_values(None),
            )
            job_id = connection.scalar(claim.returning(jobs.c.id))
            if job_id is None:
                return None
            return read_job(connection.execute(select_jobs().where(jobs.c.id == job_id)).one())

    def find_next(self, job: Job) -> str | None:
        """Series (digest) of the job that this one's worker may claim after it; nothing is claimed.

        Workers are taken to end in the order in which they began, so that each sees another job.
        """
        before = select(func.count()).where(
            jobs.c.state == JobState.RUNNING, jobs.c.started_at < job.started_at
        )
        with self._reading.connect() as connection:
            ahead = connection.scalar(before)
            waiting = _order_waiting(jobs.c.series_digest).limit(1).offset(ahead)
            digest: str | None = connection.scalar(waiting)
        return digest

    def renew(self, job: Job) -> None:
        """Prove that the worker lives; LeaseLostError or JobCancelledError tell it to stop."""
        self._report(job, {})

    def report(self, job: Job, stage: str, progress: float) -> None:
        """Renew, and show how far the job is."""
        self._report(job, {"stage": stage, "progress": progress})

    def finish(self, job: Job, result: NewResult) -> None:
        """Make the result visible and end the job, in one transaction, or raise as `renew`."""
        with self._writing.begin() as connection:
            self._close(
                connection,
                job,
                and_(_held(job), jobs.c.cancel_requested.is_not(true())),
                state=JobState.DONE if result.held is None else JobState.PARTIAL,
                warnings=merge_warnings(job.warnings, result.warnings),
                **build_failure_values(result.held),
            )
            connection.execute(
                insert(results).values(
                    job_id=job.id,
                    fence=job.fence,
                    folder=result.folder,
                    files=dict(result.files),
                    outputs=[asdict(output) for output in result.outputs],
                    structures=[asdict(structure) for structure in result.structures],
                    stage_seconds=dict(result.stage_seconds),
                    created_at=self._now(),
                )
            )
            enter_results(connection, job.id, result.folder, result.instances, self._now())
            enter_deliveries(connection, job.id, self._now())
            note_end(connection, job.id)

    def fail(self, job: Job, failure: Failure) -> None:
        """End the job with its reason."""
        self._end(job, JobState.FAILED, failure)

    def refuse(self, job: Job, failure: Failure) -> None:
        """End a job whose series cannot be contoured faithfully, with the fault."""
        self._end(job, JobState.REFUSED, failure)

    def postpone(self, job: Job, failure: Failure) -> None:
        """Run the job again later, after an error that may pass; the last such error ends it."""
        errors = job.transient_errors + 1
        if errors >= self._limits.transient_errors:
            self._end(job, JobState.FAILED, failure, transient_errors=errors)
            return
        pause_seconds = self._limits.find_pause_seconds(job.transient_errors)
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            self._close(
                connection,
                job,
                and_(_held(job), jobs.c.cancel_requested.is_not(true())),
                state=JobState.RETRY,
                finished_at=None,
                started_at=None,
                stage=None,
                progress=0.0,
                transient_errors=errors,
                due_clock=clock,
                due_at=now + pause_seconds,
                **build_failure_values(failure),
            )

    def resume_due(self) -> int:
        """Put jobs back in line whose pause is over; how many that concerns."""
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            over = or_(jobs.c.due_clock != clock, jobs.c.due_at <= now)
            resumed = update(jobs).where(jobs.c.state == JobState.RETRY, over)
            return connection.execute(resumed.values(state=JobState.PENDING, **NOT_DUE)).rowcount

    def confirm_cancel(self, job: Job) -> None:
        """End a job whose worker has stopped because someone asked for it."""
        self._end(job, JobState.CANCELLED, None)

    def expire(self) -> int:
        """Give up the workers whose leases are over; how many jobs that concerns."""
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            over = or_(jobs.c.lease_clock != clock, jobs.c.lease_until < now)
            return self._lose(connection, over, Loss.LOST_LEASE)

    def lose_worker(self, worker: str) -> int:
        """Give up a worker that is known to be dead, before its leases are over."""
        with self._writing.begin() as connection:
            return self._lose(connection, jobs.c.worker == worker, Loss.LOST_LEASE)

    def lose_child(self, worker: str) -> int:
        """The same where the worker lives and the process that ran the job died."""
        with self._writing.begin() as connection:
            return self._lose(connection, jobs.c.worker == worker, Loss.CHILD_DEATH)

    def find_workers(self) -> frozenset[str]:
        """The workers that hold jobs."""
        holding = select(jobs.c.worker).where(jobs.c.state == JobState.RUNNING)
        with self._reading.connect() as connection:
            return frozenset(name for name in connection.scalars(holding) if name is not None)

    def is_holding(self, worker: str) -> bool:
        """Whether a worker has a job."""
        return worker in self.find_workers()

    def release_worker(self, worker: str) -> int:
        """Put back the jobs of a worker that was stopped on purpose; no attempt counts as lost."""
        mine = and_(jobs.c.state == JobState.RUNNING, jobs.c.worker == worker)
        with self._writing.begin() as connection:
            return self._put_back(connection, mine, None)

    def _report(self, job: Job, values: Mapping[str, object]) -> None:
        with self._writing.begin() as connection:
            _, now = read_lease_clock(connection)
            renewal = update(jobs).where(_held(job))
            renewal = renewal.values(lease_until=now + self._lease_seconds, **values)
            cancel_requested = connection.scalar(renewal.returning(jobs.c.cancel_requested))
        _raise_unless_wanted(job, cancel_requested)

    def _end(self, job: Job, state: JobState, failure: Failure | None, **values: object) -> None:
        values |= build_failure_values(failure)
        with self._writing.begin() as connection:
            self._close(connection, job, _held(job), state=state, **values)
            enter_deliveries(connection, job.id, self._now())
            note_end(connection, job.id)

    def _close(
        self, connection: Connection, job: Job, held: ColumnElement[bool], **values: object
    ) -> None:
        closing = update(jobs).where(held)
        closing = closing.values({"finished_at": self._now(), **values, **NO_LEASE})
        if connection.execute(closing).rowcount == 0:
            asked = select(jobs.c.cancel_requested).where(_held(job))
            _raise_unless_wanted(job, connection.scalar(asked))

    def _lose(self, connection: Connection, lost: ColumnElement[bool], loss: Loss) -> int:
        mine = and_(jobs.c.state == JobState.RUNNING, lost)
        state, failure = self._limits.find_end(loss)
        exhausted = and_(
            mine,
            jobs.c.cancel_requested.is_not(true()),
            jobs.c[loss] + 1 >= self._limits.find_limit(loss),
        )
        ending = update(jobs).where(exhausted)
        ending = ending.values(
            state=state,
            fence=jobs.c.fence + 1,
            finished_at=self._now(),
            **_count(loss),
            **build_failure_values(failure),
            **NO_LEASE,
        )
        ended = connection.scalars(ending.returning(jobs.c.id)).all()
        for job_id in ended:
            enter_deliveries(connection, job_id, self._now())
            note_end(connection, job_id)
        return len(ended) + self._put_back(connection, mine, loss)

    def _put_back(
        self, connection: Connection, mine: ColumnElement[bool], loss: Loss | None
    ) -> int:
        cancelling = update(jobs).where(mine, jobs.c.cancel_requested.is_(true()))
        cancelled = connection.execute(
            cancelling.values(
                state=JobState.CANCELLED,
                fence=jobs.c.fence + 1,
                finished_at=self._now(),
                **NO_LEASE,
            )
        )
        waiting = connection.execute(
            update(jobs)
            .where(mine)
            .values(
                state=JobState.PENDING,
                fence=jobs.c.fence + 1,
                stage=None,
                progress=0.0,
                started_at=None,
                **_count(loss),
                **NO_LEASE,
            )
        )
        return cancelled.rowcount + waiting.rowcount


def _order_waiting(column: ColumnElement[str]) -> Select[str]:
    """A column of the jobs that may be claimed, in the order in which they are."""
    waiting = select(column).where(jobs.c.state.in_(CLAIMABLE))
    return waiting.order_by(jobs.c.turn_at, jobs.c.id)


def _count(loss: Loss | None) -> dict[str, ColumnElement[int]]:
    return {} if loss is None else {loss.value: jobs.c[loss] + 1}


def _held(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state == JobState.RUNNING)


def _raise_unless_wanted(job: Job, cancel_requested: bool | None) -> None:
    if cancel_requested is None:
        raise LeaseLostError(job.id)
    if cancel_requested:
        raise JobCancelledError(job.id)
