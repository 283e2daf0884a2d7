"""Keys of one database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workers.api_keys import ApiKey, hash_key, make_key, read_key_id
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.database import writing
from workers.job_store import read_clock
from workers.tables import api_keys

FIRST = "first"
"""Name of the key that a server makes for itself, or that OARLOCK_FIRST_KEY gives it."""

USE_NOTED = timedelta(minutes=1)  # between two writes of when a key was used last


class KeyStore:
    """Makes, finds and ends keys."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = read_clock) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._now = now

    def find(self, key_id: str) -> ApiKey | None:
        """The key of this id, be it over or not."""
        with self._reading.connect() as connection:
            query = select(api_keys).where(api_keys.c.id == key_id)
            row = connection.execute(query).one_or_none()
        return None if row is None else _read(row)

    def list_all(self) -> tuple[ApiKey, ...]:
        """All keys, also those that are over, by their names."""
        query = select(api_keys).order_by(api_keys.c.name, api_keys.c.created_at, api_keys.c.id)
        with self._reading.connect() as connection:
            return tuple(_read(row) for row in connection.execute(query))

    def has_any(self) -> bool:
        """Whether a key was ever made."""
        with self._reading.connect() as connection:
            return bool(connection.scalar(select(func.count()).select_from(api_keys)))

    def has_live(self) -> bool:
        """Whether anybody can get in with a key."""
        return any(not key.is_over(self._now()) for key in self.list_all())

    def create(
        self,
        name: str,
        roles: Iterable[str],
        project: str | None = None,
        valid_for: timedelta | None = None,
    ) -> str | None:
        """A new key, which is shown here and never again; None if there is one of this name."""
        with self._writing.begin() as connection:
            if _find_live(connection, name, self._now()):
                return None
            return self._insert(connection, make_key(), name, roles, project, valid_for)

    def rotate(self, name: str, overlap: timedelta = timedelta()) -> str | None:
        """A new key in the place of those of this name, which end after `overlap`; else None."""
        now = self._now()
        with self._writing.begin() as connection:
            old = _find_live(connection, name, now)
            if not old:
                return None
            newest = old[-1]
            ids = [key.id for key in old]
            if overlap:
                until = now + overlap
                ending = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > until)
                ended = update(api_keys).where(api_keys.c.id.in_(ids), ending)
                connection.execute(ended.values(expires_at=until))
            else:
                ended = update(api_keys).where(api_keys.c.id.in_(ids))
                connection.execute(ended.values(revoked_at=now))
            for key in old:
                _note(connection, AuditEvent.KEY_ROTATED, key.id, name)
            lasts = newest.expires_at - newest.created_at if newest.expires_at else None
            return self._insert(connection, make_key(), name, newest.roles, newest.project, lasts)

    def revoke(self, name_or_id: str) -> int:
        """End the keys of a name, or the one of an id; how many that were."""
        meant = or_(api_keys.c.name == name_or_id, api_keys.c.id == name_or_id)
        with self._writing.begin() as connection:
            return self._revoke(connection, meant)

    def ensure_first(self, key: str, roles: Iterable[str]) -> None:
        """Have this key be the one called `first`; once it was revoked it stays so."""
        key_id = read_key_id(key)
        assert key_id is not None, "the settings have checked it"
        with self._writing.begin() as connection:
            query = select(api_keys.c.sha256).where(api_keys.c.id == key_id)
            if connection.scalar(query) == hash_key(key):
                return
            is_first = api_keys.c.name == FIRST
            # One that was chosen to begin like the one before takes its place.
            connection.execute(delete(api_keys).where(is_first, api_keys.c.id == key_id))
            self._revoke(connection, is_first)
            self._insert(connection, key, FIRST, roles)

    def make_first(self, roles: Iterable[str]) -> str | None:
        """The first key of all; None if there was ever one."""
        with self._writing.begin() as connection:
            if connection.scalar(select(func.count()).select_from(api_keys)):
                return None
            return self._insert(connection, make_key(), FIRST, roles)

    def note_use(self, key: ApiKey) -> None:
        """Remember that it was used, to the minute."""
        now = self._now()
        if key.last_used_at is not None and now - key.last_used_at < USE_NOTED:
            return
        used = update(api_keys).where(api_keys.c.id == key.id)
        with self._writing.begin() as connection:
            connection.execute(used.values(last_used_at=now))

    def _revoke(self, connection: Connection, meant: ColumnElement[bool]) -> int:
        ended = update(api_keys).where(meant, api_keys.c.revoked_at.is_(None))
        ended = ended.values(revoked_at=self._now())
        rows = connection.execute(ended.returning(api_keys.c.id, api_keys.c.name)).all()
        for row in rows:
            _note(connection, AuditEvent.KEY_REVOKED, row.id, row.name)
        return len(rows)

    def _insert(
        self,
        connection: Connection,
        text: str,
        name: str,
        roles: Iterable[str],
        project: str | None = None,
        valid_for: timedelta | None = None,
    ) -> str:
        now = self._now()
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        row: dict[str, Any] = {
            "id": read_key_id(text),
            "sha256": hash_key(text),
            "name": name,
            "roles": sorted(roles),
            "project": project,
            "created_at": now,
            "expires_at": now + valid_for if valid_for else None,
        }
        # Two services that start at once both bring the first key.
        made = dialect.insert(api_keys).values(**row).on_conflict_do_nothing()
        if connection.execute(made).rowcount:
            told = {"roles": ",".join(row["roles"]), "project": project or ""}
            _note(connection, AuditEvent.KEY_MADE, row["id"], name, **told)
        return text


def _find_live(connection: Connection, name: str, now: datetime) -> list[ApiKey]:
    query = select(api_keys).where(api_keys.c.name == name).order_by(api_keys.c.created_at)
    return [key for row in connection.execute(query) if not (key := _read(row)).is_over(now)]


def _note(connection: Connection, event: AuditEvent, key_id: str, name: str, **told: str) -> None:
    note(connection, AuditEntry(event, details={"key": key_id, "name": name, **told}))


def _read(row: Row[tuple[object, ...]]) -> ApiKey:
    values = row._mapping
    return ApiKey(**{**values, "roles": tuple(values["roles"])})
