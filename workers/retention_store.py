"""What is kept no longer: which jobs are due to be forgotten, and what of them stays.

A job whose structure sets were all delivered is due some time after the last of them; one that
ended without any, some time after its end. A finished job that nobody fetched is never due, nor is
one that has yet to reach a destination, nor one under a legal hold. Of a job that is forgotten its
row stays, emptied of the patient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.audit.actors import NOBODY
from workers.audit.events import AuditEvent
from workers.audit.job_entries import note_job
from workers.database import forget_deleted, writing
from workers.deliveries import DeliveryState
from workers.encryption.study_keys import destroy_unneeded_keys
from workers.instance_rows import forget_arrivals
from workers.job_rows import build_failure_values
from workers.job_store import read_clock
from workers.jobs import FORGETTABLE, JobState
from workers.result_store import name_folder
from workers.retention import Retention
from workers.series_rows import forget_series
from workers.tables import deliveries, instances, jobs, outbox, results


@dataclass(frozen=True)
class Kept:
    """What the database still points to.

    Each job's folder of results, digests of series, and contents (SHA-256) of objects.
    """

    folders: Mapping[str, str]
    series: frozenset[str]
    instances: frozenset[str]


class RetentionStore:
    """Deliveries, legal holds, and the end of what is due."""

    def __init__(
        self, engine: Engine, retention: Retention, now: Callable[[], datetime] = read_clock
    ) -> None:
        self._engine = engine
        self._writing = writing(engine)
        self._retention = retention
        self._now = now
        self._has_deleted = True  # a process that died may have left some

    def note_delivery(self, job_id: str, template: str) -> None:
        """Remember that a template's structure set has left; the first time counts."""
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        row = {"job_id": job_id, "template": template, "delivered_at": self._now()}
        with self._writing.begin() as connection:
            connection.execute(dialect.insert(deliveries).values(row).on_conflict_do_nothing())

    def purge(self) -> tuple[str, ...]:
        """Empty the rows of all that is due; their files are orphans from then on."""
        with self._writing.begin() as connection:
            due = self._lock_due(connection)
            for job_id in due:
                _empty(connection, job_id)
            if due:
                forget_series(connection)
            arrived = forget_arrivals(connection, self._now() - self._retention.ended)
            destroyed = destroy_unneeded_keys(connection, self._now() - self._retention.unused_keys)
        self._has_deleted |= bool(due) or arrived > 0 or destroyed > 0
        if self._has_deleted and forget_deleted(self._engine):
            self._has_deleted = False
        return tuple(due)

    def find_kept(self) -> Kept:
        """What files are still needed for."""
        query = select(jobs.c.id, jobs.c.fence, jobs.c.series_digest, results.c.folder)
        query = query.select_from(jobs.outerjoin(results)).where(jobs.c.state != JobState.PURGED)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            contents = frozenset(connection.scalars(select(instances.c.sha256)))
        # An attempt without a result may have left a report of why.
        folders = {row.id: row.folder or name_folder(row.id, row.fence) for row in rows}
        return Kept(folders, frozenset(row.series_digest for row in rows), contents)

    def _lock_due(self, connection: Connection) -> list[str]:
        """Jobs that stay due until the commit: nobody holds, retries or is promised one meanwhile.

        What somebody changes at this moment (PostgreSQL) is looked at in the next round.
        """
        seen = self._find_due(connection)
        # Rows that refer to a job may be added: whoever adds one may wait for nothing of ours.
        mine = select(jobs.c.id).where(jobs.c.id.in_(seen))
        locked = set(connection.scalars(mine.with_for_update(skip_locked=True, key_share=True)))
        return [job_id for job_id in self._find_due(connection) if job_id in locked]

    def _find_due(self, connection: Connection) -> list[str]:
        return [*self._find_delivered(connection), *self._find_ended(connection)]

    def _find_delivered(self, connection: Connection) -> list[str]:
        last = func.max(deliveries.c.delivered_at).label("last")
        delivered = func.count().label("templates")
        is_under_way = exists().where(
            outbox.c.job_id == jobs.c.id,
            outbox.c.event == "",
            outbox.c.state != DeliveryState.DELIVERED,
        )
        query = (
            select(jobs.c.id, results.c.outputs, delivered)
            .select_from(jobs.join(results).join(deliveries, deliveries.c.job_id == jobs.c.id))
            .where(jobs.c.state == JobState.DONE, jobs.c.legal_hold.is_(False), ~is_under_way)
            .group_by(jobs.c.id, results.c.job_id)
            .having(last <= self._now() - self._retention.delivered)
        )
        rows = connection.execute(query)
        return [row.id for row in rows if row.templates >= len(row.outputs)]

    def _find_ended(self, connection: Connection) -> list[str]:
        over = jobs.c.finished_at <= self._now() - self._retention.ended
        # What never leaves is delivered to nobody.
        stays = or_(jobs.c.is_shadow.is_(True), jobs.c.superseded_by.is_not(None))
        ended = or_(jobs.c.state.in_(FORGETTABLE), and_(jobs.c.state == JobState.DONE, stays))
        kept_no_longer = and_(ended, jobs.c.legal_hold.is_(False), over)
        return list(connection.scalars(select(jobs.c.id).where(kept_no_longer)))


def _empty(connection: Connection, job_id: str) -> None:
    """Nothing of the patient stays; sent again, the same series is a new job."""
    note_job(connection, AuditEvent.JOB_PURGED, job_id, actor=NOBODY)
    for table in (results, deliveries, outbox, instances):
        connection.execute(delete(table).where(table.c.job_id == job_id))
    emptied = update(jobs).where(jobs.c.id == job_id)
    connection.execute(
        emptied.values(
            state=JobState.PURGED,
            key=job_id,
            series_digest="",
            study_instance_uid="",
            series_instance_uid="",
            series_description="",
            slice_count=0,
            warnings=[],
            **build_failure_values(None),
        )
    )
