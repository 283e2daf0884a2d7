"""Objects as rows: what came in, and what jobs left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, select, text
from sqlalchemy.dialects import postgresql, sqlite

from workers.audit.actors import NOBODY
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.instances import ReceivedInstance
from workers.jobs import JobState
from workers.tables import arrivals, arrived_instances, identities, instances, jobs


def enter_received(
    connection: Connection, received: Sequence[ReceivedInstance], now: datetime
) -> None:
    """Enter objects whose files are kept, and what was taken off; those that are known stay."""
    # In one order: two that enter the same objects wait for each other once (PostgreSQL).
    received = sorted(received, key=lambda one: one.sha256)
    rows = [{**_describe(one), "received_at": now} for one in received]
    insert = _pick_dialect(connection).insert(instances)
    connection.execute(insert.on_conflict_do_nothing(), rows)
    sealed = [
        {"sha256": one.sha256, **asdict(one.identity)}
        for one in received
        if one.identity is not None
    ]
    if sealed:
        insert = _pick_dialect(connection).insert(identities)
        connection.execute(insert.on_conflict_do_nothing(), sealed)


def enter_results(
    connection: Connection,
    job_id: str,
    folder: str,
    results: Iterable[ReceivedInstance],
    now: datetime,
) -> None:
    """Enter what a job leaves; `folder` is below the results."""
    for one in results:
        place = {"job_id": job_id, "file": f"{folder}/{one.path.name}"}
        row = {**_describe(one), **place, "received_at": now}
        insert = _pick_dialect(connection).insert(instances).values(row)
        connection.execute(insert.on_conflict_do_update(index_elements=["sha256"], set_=place))


def forget_results(connection: Connection, job_id: str) -> None:
    """What a job left is gone."""
    connection.execute(delete(instances).where(instances.c.job_id == job_id))


def _forget_unneeded(connection: Connection) -> None:
    """Remove what came in and belongs to no arrival any more."""
    mine = arrived_instances.c.sha256 == instances.c.sha256
    needed = exists(select(arrived_instances.c.sha256).where(mine))
    connection.execute(delete(instances).where(instances.c.job_id.is_(None), ~needed))
    kept = exists(select(instances.c.sha256).where(instances.c.sha256 == identities.c.sha256))
    connection.execute(delete(identities).where(~kept))


def forget_arrivals(connection: Connection, over: datetime) -> int:
    """Remove arrivals whose jobs are purged, and those without a job that were judged by `over`.

    What came of a series before the jobs goes with them: it is part of what they contoured, or was
    sent again for them. Objects go where no other arrival needs them; how many arrivals went.
    """
    if connection.dialect.name == "postgresql":
        # Whoever notes that an object came again must not be told by what is removed here.
        connection.execute(text("LOCK TABLE instances IN SHARE ROW EXCLUSIVE MODE"))
    live = set(connection.scalars(select(jobs.c.id).where(jobs.c.state != JobState.PURGED)))
    closed = select(
        arrivals.c.id,
        arrivals.c.job_ids,
        arrivals.c.closed_at,
        arrivals.c.study_instance_uid,
        arrivals.c.series_instance_uid,
        arrivals.c.source_name,
    )
    closed = closed.where(arrivals.c.closed_at.is_not(None))
    due = []
    purged_after = set()
    for row in connection.execute(closed.order_by(arrivals.c.number.desc())):
        sent = (row.series_instance_uid, row.source_name)
        if row.job_ids and live.isdisjoint(row.job_ids):
            purged_after.add(sent)
            due.append(row)
        elif not row.job_ids and (row.closed_at <= over or sent in purged_after):
            due.append(row)
    if due:
        ids = [row.id for row in due]
        mine = arrived_instances.c.arrival_id.in_(ids)
        connection.execute(delete(arrived_instances).where(mine))
        connection.execute(delete(arrivals).where(arrivals.c.id.in_(ids)))
        _forget_unneeded(connection)
    for study in sorted({row.study_instance_uid for row in due}):
        note(connection, AuditEntry(AuditEvent.OBJECTS_FORGOTTEN, actor=NOBODY, study_uid=study))
    return len(due)


def _describe(one: ReceivedInstance) -> dict[str, object]:
    return {
        "sha256": one.sha256,
        "sop_instance_uid": one.sop_instance_uid,
        "sop_class_uid": one.sop_class_uid,
        "series_instance_uid": one.series_instance_uid,
        "study_instance_uid": one.study_instance_uid,
        "transfer_syntax_uid": one.transfer_syntax_uid,
        "size": one.size,
    }


def _pick_dialect(connection: Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
