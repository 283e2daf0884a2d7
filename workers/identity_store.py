"""What was taken off the objects of one database, sealed, and by which profile and key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import Connection, Engine, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from workers.database import writing
from workers.instances import SealedIdentity
from workers.tables import (
    arrivals,
    audit_records,
    commitments,
    identities,
    identity_mode,
    instances,
    jobs,
    series,
)

AT_ONCE = 500  # of one query
ONLY = 1  # the row of the mode
PLAIN_PROFILE = ""  # of a database in which something was kept as it came


class IdentityStore:
    """Rows alone: what is in them only the service can open."""

    def __init__(self, engine: Engine) -> None:
        self._reading = engine
        self._writing = writing(engine)

    def agree(self, profile: str | None, mark: str) -> tuple[str, str] | None:
        """What this database is kept by from now on; None where that is plain, without a profile.

        `profile` and `mark` count only for the first to ask: then they are written down, and stay,
        for other parts may be under way that keep by them.
        """
        with self._writing.begin() as connection:
            known = connection.execute(select(identity_mode)).one_or_none()
            if known is None and _holds_anything(connection):
                _write_mode(connection, PLAIN_PROFILE, "")
            elif known is None and profile is not None:
                _write_mode(connection, profile, mark)
            known = connection.execute(select(identity_mode)).one_or_none()
            return (known.profile, known.mark) if known and known.profile else None

    def forget_mode(self) -> bool:
        """Let the next one who asks choose; False where something is kept, and nothing is done."""
        with self._writing.begin() as connection:
            if _holds_anything(connection):
                return False
            connection.execute(delete(identity_mode))
            return True

    def find(self, sha256s: Collection[str]) -> Mapping[str, SealedIdentity]:
        """What was taken off these objects, by the checksums of what is kept of them."""
        rows = {}
        with self._reading.connect() as connection:
            for some in _split(list(sha256s)):
                query = select(identities).where(identities.c.sha256.in_(some))
                for row in connection.execute(query):
                    rows[row.sha256] = SealedIdentity(row.original, row.uids, row.header)
        return rows

    def find_uids(self, sha256s: Collection[str]) -> Mapping[str, bytes]:
        """The sealed UIDs of these objects, without their headers."""
        rows = {}
        columns = (identities.c.sha256, identities.c.uids)
        with self._reading.connect() as connection:
            for some in _split(list(sha256s)):
                query = select(*columns).where(identities.c.sha256.in_(some))
                rows.update({row.sha256: row.uids for row in connection.execute(query)})
        return rows

    def find_kept(self, original: str) -> str | None:
        """Checksum of what is kept of an object that came before."""
        query = select(identities.c.sha256).where(identities.c.original == original).limit(1)
        with self._reading.connect() as connection:
            return connection.scalar(query)

    def find_series(self, digest: str) -> Mapping[str, str]:
        """Of a job's series: checksums by SOP Instance UID, as a worker sees them, in its order."""
        query = select(series.c.instances).where(series.c.digest == digest)
        with self._reading.connect() as connection:
            return dict(connection.scalar(query) or {})


def _write_mode(connection: Connection, profile: str, mark: str) -> None:
    """Unless another part that starts has written another one meanwhile."""
    row = {"id": ONLY, "profile": profile, "mark": mark}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(identity_mode).values(row).on_conflict_do_nothing())


def _holds_anything(connection: Connection) -> bool:
    """Whether there is a row that names a study, under its own UID or another."""
    queries = (
        select(instances.c.sha256),
        select(arrivals.c.id),
        select(commitments.c.id),
        select(jobs.c.id).where(jobs.c.study_instance_uid != ""),
        select(audit_records.c.number).where(audit_records.c.study_uid != ""),
    )
    return any(connection.scalar(select(exists(query))) for query in queries)


def _split(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]
