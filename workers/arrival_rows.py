"""Arrivals as rows and back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.arrivals import Arrival, ArrivalState, Contents
from workers.instances import ReceivedInstance
from workers.sources import Source, SourceKind
from workers.tables import arrivals, arrived_instances

LeaseClock = tuple[str, float]


def build_arrival_row(
    source: Source, first: ReceivedInstance, state: ArrivalState, now: datetime, clock: LeaseClock
) -> dict[str, Any]:
    """The row of a new arrival, of which nothing is recorded yet."""
    return {
        "id": str(uuid.uuid4()),
        "state": state,
        "source": asdict(source),
        "source_name": source.key,
        "project": source.project,
        "study_instance_uid": first.study_instance_uid,
        "series_instance_uid": first.series_instance_uid,
        "modality": first.modality,
        "description": first.description,
        "received": 0,
        "has_ended": False,
        "evidence": "",
        "fault": "",
        "reason": "",
        "job_ids": [],
        "created_at": now,
        "cuts": 0,
        **build_last(now, clock),
    }


def build_last(now: datetime, clock: LeaseClock) -> dict[str, Any]:
    """When an object came last, for people and for those who count seconds."""
    name, seconds = clock
    return {"last_at": now, "last_clock": name, "last_seconds": seconds}


def split_where_changed(group: Sequence[ReceivedInstance]) -> list[list[ReceivedInstance]]:
    """Runs in which no object occurs with two contents."""
    runs: list[list[ReceivedInstance]] = [[]]
    known: dict[str, str] = {}
    for one in group:
        if known.get(one.sop_instance_uid, one.sha256) != one.sha256:
            runs.append([])
            known = {}
        known[one.sop_instance_uid] = one.sha256
        runs[-1].append(one)
    return runs


def find_in_state(
    connection: Connection, source: Source, first: ReceivedInstance, state: ArrivalState
) -> str | None:
    """The newest arrival of a source and series in this state; it is locked until the commit."""
    mine = select(arrivals.c.id).where(
        arrivals.c.series_instance_uid == first.series_instance_uid,
        arrivals.c.source_name == source.key,
        arrivals.c.state == state,
    )
    newest = mine.order_by(arrivals.c.created_at.desc(), arrivals.c.id).limit(1)
    newest = newest.with_for_update()  # neither counted by two at once nor judged meanwhile
    found: str | None = connection.scalar(newest)
    return found


def has_changed(connection: Connection, arrival_id: str, group: Sequence[ReceivedInstance]) -> bool:
    """Whether some of these objects came before with other bytes."""
    sent = list_contents(group)
    known = select(arrived_instances).where(
        arrived_instances.c.arrival_id == arrival_id,
        arrived_instances.c.sop_instance_uid.in_(list(sent)),
    )
    return any(row.sha256 != sent[row.sop_instance_uid] for row in connection.execute(known))


def list_contents(group: Sequence[ReceivedInstance]) -> Contents:
    """Objects as an arrival knows them."""
    return {one.sop_instance_uid: one.sha256 for one in group}


def add_contents(connection: Connection, arrival_id: str, contents: Contents) -> None:
    """Add objects to an arrival; those that it has stay."""
    rows = [
        {"arrival_id": arrival_id, "sop_instance_uid": uid, "sha256": sha256}
        for uid, sha256 in contents.items()
    ]
    insert = _pick_dialect(connection).insert(arrived_instances).on_conflict_do_nothing()
    connection.execute(insert, rows)
    mine = arrived_instances.c.arrival_id == arrival_id
    count = select(func.count()).select_from(arrived_instances).where(mine)
    counted = update(arrivals).where(arrivals.c.id == arrival_id)
    connection.execute(counted.values(received=count.scalar_subquery()))


def _pick_dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def read_arrival(row: Row[Any], clock: str, seconds: float) -> Arrival:
    """The arrival of a row, by a clock's name and its seconds now."""
    left = None
    if row.quiet_at is not None:
        left = max(0.0, row.quiet_at - seconds) if row.quiet_clock == clock else 0.0
    return Arrival(
        id=row.id,
        state=ArrivalState(row.state),
        source=Source(**{**row.source, "kind": SourceKind(row.source["kind"])}),
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        modality=row.modality,
        description=row.description,
        received=row.received,
        has_ended=row.has_ended,
        expected=row.expected,
        quiet_seconds_left=left,
        # Before the machine or the database was started again: long ago.
        seconds_since_last=seconds - row.last_seconds if row.last_clock == clock else inf,
        lease_until=row.quiet_at if row.state == ArrivalState.JUDGING else None,
        evidence=row.evidence,
        fault=row.fault,
        reason=row.reason,
        job_ids=tuple(row.job_ids),
        created_at=row.created_at,
        last_at=row.last_at,
        closed_at=row.closed_at,
    )


def is_of_same_series(arrival: Arrival) -> ColumnElement[bool]:
    """What the same source sent of the same series."""
    return and_(
        arrivals.c.series_instance_uid == arrival.series_instance_uid,
        arrivals.c.source_name == arrival.source.key,
    )


def is_judged_as(judged: Arrival) -> ColumnElement[bool]:
    """The arrival, while its judge has it: whoever takes too long has lost it to another one."""
    return and_(
        arrivals.c.id == judged.id,
        arrivals.c.state == ArrivalState.JUDGING,
        arrivals.c.quiet_at == judged.lease_until,
    )
