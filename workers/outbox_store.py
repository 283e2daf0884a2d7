"""The outbox: what is to leave for destinations, each claimed by one courier at a time.

Each claim raises the delivery's fence. Whatever a courier writes is conditional on the fence it
claimed with, so that one whose lease was over changes nothing; and what it sends meanwhile has the
same bytes and the same SOP Instance UID as what the next one sends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from workers.audit.actors import NOBODY
from workers.audit.events import AuditEvent, Outcome
from workers.audit.job_entries import note_job
from workers.database import read_lease_clock, writing
from workers.deliveries import Delivery, DeliveryState, JobEvent, Pauses
from workers.job_store import read_clock
from workers.jobs import JobState
from workers.outbox_rows import enter_alarm
from workers.tables import deliveries, jobs, outbox

log = logging.getLogger(__name__)

NOT_DUE = {"due_clock": None, "due_at": None, "next_try_at": None}
NO_LEASE = {"lease_clock": None, "lease_until": None}
LOST = "the server stopped while it was sending."


class OutboxStore:
    """Deliveries of one database."""

    def __init__(
        self,
        engine: Engine,
        pauses: Pauses | None = None,
        lease_seconds: float = 60.0,
        now: Callable[[], datetime] = read_clock,
    ) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._pauses = pauses or Pauses()
        self._lease_seconds = lease_seconds
        self._now = now

    def claim_due(self, busy: Collection[str] = ()) -> Delivery | None:
        """Take a delivery that is due, for a destination that is not `busy`; the try counts.

        What was tried least goes first, so that one that is always refused is in nobody's way.
        """
        waiting = outbox.c.state == DeliveryState.WAITING
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            due = or_(
                outbox.c.due_clock.is_(None), outbox.c.due_clock != clock, outbox.c.due_at <= now
            )
            turn = select(outbox.c.id).where(waiting, due, outbox.c.destination.not_in(busy))
            turn = turn.order_by(outbox.c.tries, outbox.c.created_at, outbox.c.id).limit(1)
            turn = turn.with_for_update(skip_locked=True)
            claim = update(outbox).where(outbox.c.id == turn.scalar_subquery(), waiting)
            claim = claim.values(
                state=DeliveryState.SENDING,
                tries=outbox.c.tries + 1,
                fence=outbox.c.fence + 1,
                lease_clock=clock,
                lease_until=now + self._lease_seconds,
                tried_at=self._now(),
                **NOT_DUE,
            )
            row = connection.execute(claim.returning(outbox)).one_or_none()
            return None if row is None else _read(row)

    def renew(self, held: Iterable[Delivery]) -> None:
        """Prove that these are still being sent."""
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            until = now + self._lease_seconds
            for delivery in held:
                renewal = update(outbox).where(_is_held(delivery))
                connection.execute(renewal.values(lease_clock=clock, lease_until=until))

    def succeed(self, delivery: Delivery, note: str = "") -> bool:
        """Note that it has arrived; the time after which its job is purged counts from here on.

        False, here and below, if the lease was over: another try has been or will be made.
        """
        with self._writing.begin() as connection:
            arrived = update(outbox).where(_is_held(delivery))
            arrived = arrived.values(
                state=DeliveryState.DELIVERED,
                error="",
                note=note,
                delivered_at=self._now(),
                **NO_LEASE,
            )
            if connection.execute(arrived).rowcount == 0:
                return False
            if delivery.event is None:
                self._note_delivery(connection, delivery)
            _note_try(connection, delivery, Outcome.SUCCESS)
            return True

    def postpone(self, delivery: Delivery, error: str) -> bool:
        """Have it tried again after a pause; the last try ends it as failed."""
        with self._writing.begin() as connection:
            return self._end_try(connection, delivery, error)

    def fail(self, delivery: Delivery, error: str) -> bool:
        """End a delivery that no further try can help."""
        with self._writing.begin() as connection:
            return self._fail(connection, delivery, error)

    def put_back(self, held: Iterable[Delivery]) -> None:
        """Give up deliveries whose courier stops on purpose; the try does not count."""
        with self._writing.begin() as connection:
            for delivery in held:
                waiting = update(outbox).where(_is_held(delivery))
                connection.execute(
                    waiting.values(
                        state=DeliveryState.WAITING,
                        tries=outbox.c.tries - 1,
                        fence=outbox.c.fence + 1,
                        **NO_LEASE,
                    )
                )

    def expire(self) -> int:
        """Give up couriers whose leases are over; how many deliveries that concerns."""
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            over = or_(outbox.c.lease_clock != clock, outbox.c.lease_until < now)
            lost = select(outbox).where(outbox.c.state == DeliveryState.SENDING, over)
            rows = connection.execute(lost.with_for_update(skip_locked=True)).all()
            return sum(self._end_try(connection, _read(row), LOST) for row in rows)

    def deliver(self, job_id: str, destination: str | None = None) -> int:
        """Send now what a person has seen, and anew what has failed or waits; how many that is.

        Nothing of a partial job: it is released first.
        """
        idle = (DeliveryState.HELD, DeliveryState.FAILED, DeliveryState.WAITING)
        done = select(jobs.c.id).where(jobs.c.state == JobState.DONE)
        may_leave = or_(outbox.c.event != "", outbox.c.job_id.in_(done))
        mine = and_(outbox.c.job_id == job_id, outbox.c.state.in_(idle), may_leave)
        if destination is not None:
            mine = and_(mine, outbox.c.destination == destination)
        with self._writing.begin() as connection:
            again = update(outbox).where(mine)
            again = again.values(state=DeliveryState.WAITING, tries=0, error="", **NOT_DUE)
            started = list(connection.scalars(again.returning(outbox.c.id)))
            # The news of their failure is news again if they fail again.
            connection.execute(delete(outbox).where(outbox.c.about.in_(started)))
            if started:
                told = {} if destination is None else {"destination": destination}
                note_job(connection, AuditEvent.DELIVERY_ASKED, job_id, details=told)
            return len(started)

    def list_by_job(self, job_ids: Sequence[str]) -> dict[str, tuple[Delivery, ...]]:
        """The deliveries of each of these jobs, the earliest first."""
        found: dict[str, list[Delivery]] = {job_id: [] for job_id in job_ids}
        query = select(outbox).where(outbox.c.job_id.in_(job_ids))
        query = query.order_by(outbox.c.created_at, outbox.c.destination, outbox.c.id)
        with self._reading.connect() as connection:
            for row in connection.execute(query):
                found[row.job_id].append(_read(row))
        return {job_id: tuple(rows) for job_id, rows in found.items()}

    def count_by_state(self) -> dict[DeliveryState, int]:
        """Number of deliveries in every state."""
        query = select(outbox.c.state, func.count().label("total")).group_by(outbox.c.state)
        with self._reading.connect() as connection:
            found = {row.state: row.total for row in connection.execute(query)}
        return {state: found.get(state.value, 0) for state in DeliveryState}

    def _end_try(self, connection: Connection, delivery: Delivery, error: str) -> bool:
        if _is_superseded(connection, delivery):
            ended = delete(outbox).where(_is_held(delivery))
            return connection.execute(ended).rowcount == 1
        if delivery.tries >= self._pauses.tries_limit:
            return self._fail(connection, delivery, error)
        clock, now = read_lease_clock(connection)
        pause_seconds = self._pauses.find_seconds(delivery.tries)
        waiting = update(outbox).where(_is_held(delivery))
        waiting = waiting.values(
            state=DeliveryState.WAITING,
            due_clock=clock,
            due_at=now + pause_seconds,
            next_try_at=self._now() + timedelta(seconds=pause_seconds),
            error=error,
            **NO_LEASE,
        )
        if connection.execute(waiting).rowcount == 0:
            return False
        _note_try(connection, delivery, Outcome.MINOR_FAILURE)
        return True

    def _fail(self, connection: Connection, delivery: Delivery, error: str) -> bool:
        failed = update(outbox).where(_is_held(delivery))
        failed = failed.values(state=DeliveryState.FAILED, error=error, **NO_LEASE)
        if connection.execute(failed).rowcount == 0:
            return False
        _note_try(connection, delivery, Outcome.SERIOUS_FAILURE)
        log.error(
            "ALARM: job %s was not delivered to %s, after %d tries: %s Mend it, then "
            "POST /v1/jobs/%s/deliver",
            *(delivery.job_id, delivery.destination, delivery.tries, error, delivery.job_id),
        )
        if delivery.event is None:
            enter_alarm(connection, delivery.id, delivery.job_id, self._now())
        return True

    def _note_delivery(self, connection: Connection, delivery: Delivery) -> None:
        """The last time counts: another destination may have had the same weeks ago."""
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        row = {
            "job_id": delivery.job_id,
            "template": delivery.template,
            "delivered_at": self._now(),
        }
        noted = dialect.insert(deliveries).values(row)
        connection.execute(
            noted.on_conflict_do_update(
                index_elements=["job_id", "template"],
                set_={"delivered_at": noted.excluded.delivered_at},
            )
        )


def _note_try(connection: Connection, delivery: Delivery, outcome: Outcome) -> None:
    event = AuditEvent.DELIVERY_FAILED if outcome else AuditEvent.DELIVERED
    note_job(
        connection,
        event,
        delivery.job_id,
        outcome,
        actor=NOBODY,
        details={
            "destination": delivery.destination,
            "template": delivery.template,
            "what": delivery.event or "structure-set",
            "tries": delivery.tries,
        },
    )


def _read(row: Row[tuple[object, ...]]) -> Delivery:
    values = row._mapping
    return Delivery(
        **{name: values[name] for name in _PLAIN},
        event=JobEvent(values["event"]) if values["event"] else None,
        state=DeliveryState(values["state"]),
    )


def _is_superseded(connection: Connection, delivery: Delivery) -> bool:
    """Whether a job with more of the same series took the job's place while this was sent."""
    by = select(jobs.c.superseded_by).where(jobs.c.id == delivery.job_id)
    return connection.scalar(by) is not None


def _is_held(delivery: Delivery) -> ColumnElement[bool]:
    return and_(
        outbox.c.id == delivery.id,
        outbox.c.fence == delivery.fence,
        outbox.c.state == DeliveryState.SENDING,
    )


_PLAIN = (
    "id",
    "job_id",
    "destination",
    "template",
    "about",
    "tries",
    "fence",
    "error",
    "note",
    "created_at",
    "tried_at",
    "next_try_at",
    "delivered_at",
)
