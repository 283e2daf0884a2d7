"""What each series consists of, so that a slice which comes back with other bytes is noticed."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from contouring.notices import Notice
from workers.jobs import JobState, NewJob
from workers.tables import jobs, series

NAMED = 3  # changed instances that a warning names


def note_series(connection: Connection, job: NewJob) -> Iterator[str]:
    """Remember a job's instances; a warning if some were sent before with other bytes.

    The two are kept apart: neither is mixed with the other in one job, and none is overwritten.
    """
    if not job.instances:
        return
    same_uid = series.c.series_instance_uid == job.series_instance_uid
    known = connection.execute(
        select(series.c.instances).where(same_uid, series.c.digest != job.series_digest)
    )
    changed = sorted(
        {
            uid
            for row in known
            for uid, checksum in row.instances.items()
            if job.instances.get(uid, checksum) != checksum
        }
    )
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {
        "digest": job.series_digest,
        "series_instance_uid": job.series_instance_uid,
        "instances": dict(job.instances),
    }
    insert = dialect.insert(series).values(row)
    # Also one that is known is written, and with it locked against a purge (PostgreSQL).
    same = {"series_instance_uid": job.series_instance_uid}
    connection.execute(insert.on_conflict_do_update(index_elements=["digest"], set_=same))
    if changed:
        named = ", ".join(changed[:NAMED]) + (" ..." if len(changed) > NAMED else "")
        yield str(
            Notice(
                "changed-since",
                f"{len(changed)} of {len(job.instances)} slices were sent before with other bytes "
                f"({named}): both series are kept apart. See which of them is planned on.",
            )
        )


def forget_series(connection: Connection) -> None:
    """Remove what no job needs any more."""
    needed = select(jobs.c.series_digest).where(jobs.c.state != JobState.PURGED)
    unneeded = series.c.digest.not_in(needed)
    # Whoever adds a job of a series has its row locked, and was not seen yet (PostgreSQL).
    free = select(series.c.digest).where(unneeded).with_for_update(skip_locked=True)
    locked = list(connection.scalars(free))
    connection.execute(delete(series).where(series.c.digest.in_(locked), unneeded))
