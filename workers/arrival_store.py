"""What arrives, in SQL: objects one by one, gathered by source and series until they are whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, or_, select, true, update
from sqlalchemy.exc import IntegrityError, OperationalError

from contouring.errors import UnknownArrivalError
from workers.arrival_rows import (
    add_contents,
    build_arrival_row,
    build_last,
    find_in_state,
    has_changed,
    is_judged_as,
    is_of_same_series,
    list_contents,
    read_arrival,
    split_where_changed,
)
from workers.arrivals import OPEN, Arrival, ArrivalState, Contents, Verdict
from workers.audit.arrival_entries import note_coming, note_received
from workers.database import read_lease_clock, writing
from workers.instance_rows import enter_received
from workers.instances import ReceivedInstance
from workers.job_store import read_clock
from workers.sources import Source
from workers.tables import arrivals, arrived_instances

JUDGING_SECONDS = 120.0
"""After which an arrival whose judge died is judged again."""

RACES = 5  # lost to others before giving up

NOT_QUIET: Mapping[str, None] = {"quiet_clock": None, "quiet_at": None}


class ArrivalStore:
    """Arrivals of one database."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = read_clock) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._now = now

    def note(
        self, source: Source, received: Sequence[ReceivedInstance], quiet_seconds: float
    ) -> frozenset[str]:
        """Record objects whose files are kept, in one transaction; the ids of their arrivals."""
        for _ in range(RACES):
            try:
                return self._note(source, received, quiet_seconds)
            # On PostgreSQL two may begin the same arrival at once, or wait for each other.
            except (IntegrityError, OperationalError):
                continue
        return self._note(source, received, quiet_seconds)

    def _note(
        self, source: Source, received: Sequence[ReceivedInstance], quiet_seconds: float
    ) -> frozenset[str]:
        groups: dict[tuple[str, bool], list[ReceivedInstance]] = {}
        for instance in received:
            groups.setdefault((instance.series_instance_uid, instance.is_ct), []).append(instance)
        noted = set()
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            quiet = {"quiet_clock": clock, "quiet_at": seconds + quiet_seconds}
            for (_, is_ct), group in sorted(groups.items()):  # locked in one order
                if not is_ct:
                    noted.add(self._count_ignored(connection, source, group))
                    continue
                enter_received(connection, group, self._now())
                for run in split_where_changed(group):
                    noted |= self._gather(connection, source, run, quiet)
        return frozenset(noted)

    def note_whole(
        self, source: Source, received: Sequence[ReceivedInstance], verdict: Verdict
    ) -> str:
        """Record an arrival that came as a whole and is judged already; its id."""
        with self._writing.begin() as connection:
            return self.enter_whole(connection, source, received, verdict)

    def enter_whole(
        self,
        connection: Connection,
        source: Source,
        received: Sequence[ReceivedInstance],
        verdict: Verdict,
    ) -> str:
        """The same in a transaction of others, such as the one that adds its jobs."""
        enter_received(connection, received, self._now())
        arrival_id = self._open(connection, source, received[0], ArrivalState.ACCEPTED, {})
        add_contents(connection, arrival_id, list_contents(received))
        self._close(connection, arrivals.c.id == arrival_id, verdict)
        return arrival_id

    def touch(self, arrival_ids: Iterable[str], quiet_seconds: float) -> None:
        """More is on its way: the time of quiet begins anew."""
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            mine = and_(
                arrivals.c.id.in_(list(arrival_ids)), arrivals.c.state == ArrivalState.RECEIVING
            )
            last = build_last(self._now(), (clock, seconds))
            quiet = {"quiet_clock": clock, "quiet_at": seconds + quiet_seconds}
            values = {"has_ended": False, **last, **quiet}
            connection.execute(update(arrivals).where(mine).values(**values))

    def find_cuts(self, arrival_ids: Iterable[str]) -> dict[str, int]:
        """How often a request or association broke off over each of these arrivals."""
        with self._reading.connect() as connection:
            mine = select(arrivals).where(arrivals.c.id.in_(list(arrival_ids)))
            return {row.id: row.cuts for row in connection.execute(mine)}

    def end(self, seen_cuts: Mapping[str, int]) -> None:
        """The request or association that brought these arrivals is over.

        Unless another one broke off over them since this one began: what that one had yet to send
        is still missing.
        """
        with self._writing.begin() as connection:
            for arrival_id, cuts in sorted(seen_cuts.items()):
                mine = and_(arrivals.c.id == arrival_id, arrivals.c.cuts == cuts)
                connection.execute(update(arrivals).where(mine).values(has_ended=True))

    def break_off(self, arrival_ids: Iterable[str]) -> None:
        """The request or association that brought these arrivals did not say all it wanted to."""
        mine = update(arrivals).where(arrivals.c.id.in_(sorted(arrival_ids)))
        with self._writing.begin() as connection:
            connection.execute(mine.values(has_ended=False, cuts=arrivals.c.cuts + 1))

    def find_receiving(self) -> tuple[Arrival, ...]:
        """Arrivals that may be whole, or that a judge left who died; the quietest first."""
        with self._reading.connect() as connection:
            clock, seconds = read_lease_clock(connection)
            left = or_(arrivals.c.quiet_clock != clock, arrivals.c.quiet_at <= seconds)
            judging = and_(arrivals.c.state == ArrivalState.JUDGING, left)
            open_ones = or_(arrivals.c.state == ArrivalState.RECEIVING, judging)
            query = select(arrivals).where(open_ones).order_by(arrivals.c.quiet_at, arrivals.c.id)
            return tuple(read_arrival(row, clock, seconds) for row in connection.execute(query))

    def claim(self, arrival: Arrival) -> Arrival | None:
        """Begin to judge an arrival as it stands; None if more came or another one judges it."""
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            as_seen = and_(
                arrivals.c.id == arrival.id,
                arrivals.c.state == arrival.state,
                arrivals.c.received == arrival.received,
                or_(
                    arrivals.c.state == ArrivalState.RECEIVING,
                    arrivals.c.quiet_clock != clock,
                    arrivals.c.quiet_at <= seconds,
                ),
            )
            until = seconds + JUDGING_SECONDS
            claimed = update(arrivals).where(as_seen)
            claimed = claimed.values(state=ArrivalState.JUDGING, quiet_clock=clock, quiet_at=until)
            if connection.execute(claimed).rowcount == 0:
                return None
            return replace(arrival, state=ArrivalState.JUDGING, lease_until=until)

    def wait_again(self, judged: Arrival, seconds: float, expected: int | None) -> None:
        """Put a claimed arrival back that is not whole yet.

        Where another one was begun meanwhile, this one ends: the other is judged together with it.
        """
        for _ in range(RACES):
            try:
                self._wait_again(judged, seconds, expected)
            except IntegrityError:  # another one begins at this moment
                continue
            return

    def close(self, judged: Arrival, verdict: Verdict) -> None:
        """End a claimed arrival; nothing happens where another one judges it by now."""
        with self._writing.begin() as connection:
            if self._close(connection, is_judged_as(judged), verdict) and verdict.contents:
                add_contents(connection, judged.id, verdict.contents)

    def find_contents(self, arrival_id: str) -> Contents:
        """What an arrival consists of."""
        query = select(arrived_instances).where(arrived_instances.c.arrival_id == arrival_id)
        with self._reading.connect() as connection:
            return {row.sop_instance_uid: row.sha256 for row in connection.execute(query)}

    def find_earlier(self, arrival: Arrival) -> tuple[Arrival, ...]:
        """What the same source sent of the same series before, judged or not; the last first."""
        number = select(arrivals.c.number).where(arrivals.c.id == arrival.id).scalar_subquery()
        earlier = select(arrivals).where(
            is_of_same_series(arrival),
            arrivals.c.state != ArrivalState.IGNORED,
            arrivals.c.number < number,
        )
        earlier = earlier.order_by(arrivals.c.number.desc(), arrivals.c.id)
        with self._reading.connect() as connection:
            clock, seconds = read_lease_clock(connection)
            return tuple(read_arrival(row, clock, seconds) for row in connection.execute(earlier))

    def count_series(
        self,
        study_uid: str,
        but: Collection[str],
        project: str | None,
        before: Arrival | None = None,
    ) -> int:
        """CT series that a project has of a study beside some.

        `before`: those that began before an arrival's did.
        """
        query = select(func.count(func.distinct(arrivals.c.series_instance_uid))).where(
            arrivals.c.study_instance_uid == study_uid,
            arrivals.c.project.is_not_distinct_from(project),
            arrivals.c.series_instance_uid.not_in(list(but)),
            arrivals.c.state != ArrivalState.IGNORED,
        )
        if before is not None:
            own = select(func.min(arrivals.c.number)).where(is_of_same_series(before))
            query = query.where(arrivals.c.number < own.scalar_subquery())
        with self._reading.connect() as connection:
            return connection.scalar(query) or 0

    def list_page(
        self, limit: int, before: str | None = None, project: str | None = None
    ) -> tuple[Arrival, ...]:
        """Up to `limit` arrivals, newest first, that began before the one with id `before`.

        Raises `UnknownArrivalError` where there is no such one.
        """
        mine = true() if project is None else arrivals.c.project == project
        query = select(arrivals).where(mine)
        query = query.order_by(arrivals.c.created_at.desc(), arrivals.c.id.desc())
        with self._reading.connect() as connection:
            clock, seconds = read_lease_clock(connection)
            if before is not None:
                last = select(arrivals.c.created_at).where(arrivals.c.id == before, mine)
                at = connection.scalar(last)
                if at is None:
                    raise UnknownArrivalError(before)
                same_moment = and_(arrivals.c.created_at == at, arrivals.c.id < before)
                query = query.where(or_(arrivals.c.created_at < at, same_moment))
            rows = connection.execute(query.limit(limit))
            return tuple(read_arrival(row, clock, seconds) for row in rows)

    def _wait_again(self, judged: Arrival, seconds: float, expected: int | None) -> None:
        newer = select(arrivals.c.id).where(
            is_of_same_series(judged),
            arrivals.c.state.in_(OPEN),
            arrivals.c.number
            > select(arrivals.c.number).where(arrivals.c.id == judged.id).scalar_subquery(),
        )
        with self._writing.begin() as connection:
            if connection.execute(newer.limit(1)).one_or_none() is not None:
                reason = "More of the series came while it was judged: see the arrival after it."
                verdict = Verdict(ArrivalState.INCOMPLETE, fault="goes-on", reason=reason)
                self._close(connection, is_judged_as(judged), verdict)
                return
            clock, now = read_lease_clock(connection)
            waiting = update(arrivals).where(is_judged_as(judged))
            connection.execute(
                waiting.values(
                    state=ArrivalState.RECEIVING,
                    expected=expected,
                    quiet_clock=clock,
                    quiet_at=now + seconds,
                )
            )

    def _gather(
        self,
        connection: Connection,
        source: Source,
        group: Sequence[ReceivedInstance],
        quiet: Mapping[str, Any],
    ) -> set[str]:
        """Add to the open arrival; an object that comes with other bytes begins another one."""
        first = group[0]
        arrival_id = find_in_state(connection, source, first, ArrivalState.RECEIVING)
        ids = set()
        if arrival_id is not None and has_changed(connection, arrival_id, group):
            reason = (
                "Objects of it came again with other bytes before it was complete, so it is not "
                "clear which of them belong together: send the whole series again."
            )
            aside = Verdict(ArrivalState.SET_ASIDE, fault="changed-on-the-way", reason=reason)
            self._close(connection, arrivals.c.id == arrival_id, aside)
            ids.add(arrival_id)
            arrival_id = None
        if arrival_id is None:
            arrival_id = self._open(connection, source, first, ArrivalState.RECEIVING, quiet)
        add_contents(connection, arrival_id, list_contents(group))
        again = update(arrivals).where(arrivals.c.id == arrival_id)
        last = build_last(self._now(), read_lease_clock(connection))
        connection.execute(again.values(has_ended=False, **last, **quiet))
        return ids | {arrival_id}

    def _count_ignored(
        self, connection: Connection, source: Source, group: Sequence[ReceivedInstance]
    ) -> str:
        first = group[0]
        arrival_id = find_in_state(connection, source, first, ArrivalState.IGNORED)
        if arrival_id is None:
            arrival_id = self._open(connection, source, first, ArrivalState.IGNORED, {})
            reason = (
                f"It is no CT ({first.modality or 'without a modality'}): nothing is contoured."
            )
            verdict = Verdict(ArrivalState.IGNORED, fault="not-ct", reason=reason)
            self._close(connection, arrivals.c.id == arrival_id, verdict)
        add_contents(connection, arrival_id, list_contents(group))
        return arrival_id

    def _open(
        self,
        connection: Connection,
        source: Source,
        first: ReceivedInstance,
        state: ArrivalState,
        quiet: Mapping[str, Any],
    ) -> str:
        clock = read_lease_clock(connection)
        row = {**build_arrival_row(source, first, state, self._now(), clock), **quiet}
        # The order in which they began, whatever the clocks say.
        number = select(func.coalesce(func.max(arrivals.c.number), 0) + 1).scalar_subquery()
        connection.execute(arrivals.insert().values(**row, number=number))
        note_coming(connection, source, first)
        return str(row["id"])

    def _close(self, connection: Connection, mine: ColumnElement[bool], verdict: Verdict) -> bool:
        values: dict[str, Any] = {**asdict(verdict), "job_ids": list(verdict.job_ids)}
        del values["contents"]
        if verdict.expected is None:
            del values["expected"]
        closing = update(arrivals).where(mine)
        closing = closing.values(**values, closed_at=self._now(), **NOT_QUIET)
        closed = connection.execute(closing.returning(arrivals)).all()
        for row in closed:
            note_received(connection, row)
        return bool(closed)
