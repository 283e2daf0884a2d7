"""The keys of studies: each opens the files of one study, and is gone once nobody needs them.

A key lies in the database, wrapped by the master key and bound to its study. What destroys it is
the transaction that forgets the last job and object of the study: from then on no copy of the files
can be read, wherever it is.
"""

from __future__ import annotations

import base64
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from contouring.errors import EncryptionKeyError
from workers.database import writing
from workers.encryption.key_ring import KeyRing, read_key_ring
from workers.encryption.seal import KEY_BYTES, unwrap_key, wrap_key
from workers.job_store import read_clock
from workers.jobs import JobState
from workers.tables import instances, jobs, study_keys

PURPOSE = b"oarlock study 1\0"
REMEMBER_SECONDS = 60.0
"""For which an opened key stays in memory; a job asks for its study's hundreds of times."""
MOST_REMEMBERED = 1024


@dataclass(frozen=True)
class StudyKey:
    """`id`: 32 hexadecimal digits, which files name their key by."""

    id: str
    secret: bytes


class StudyKeys:
    """Keys of one database, opened by the master keys of a file; without one there are none."""

    def __init__(
        self,
        engine: Engine,
        key_file: Path | None,
        data: Path,
        unused_seconds: float,
        now: Callable[[], datetime] = read_clock,
    ) -> None:
        """`unused_seconds`: for which a key stays that nothing in the database needs yet."""
        self._engine, self._writing, self._now = engine, writing(engine), now
        self._file, self._data = key_file, data
        self._ring = self._read_ring()
        self._mark = self._read_mark()
        # Well before a purge might take it for unused.
        self._again_seconds = min(REMEMBER_SECONDS, unused_seconds / 10)
        self._taken: dict[str, tuple[float, StudyKey]] = {}
        self._found: dict[str, tuple[float, StudyKey]] = {}

    @property
    def has_master(self) -> bool:
        """Whether files are encrypted from now on."""
        return self._file is not None

    def check(self) -> None:
        """Raise `EncryptionKeyError` where the database has keys that no master key opens."""
        with self._engine.connect() as connection:
            wrapping = count_by_master(connection)
        missing = wrapping.keys() - self._current_ring().keys
        if missing:
            self._reread()
            missing = wrapping.keys() - self._current_ring().keys
        if missing:
            count = sum(wrapping[one] for one in missing)
            raise EncryptionKeyError(
                f"{count} studies are encrypted under the master key {', '.join(sorted(missing))}, "
                + ("which no file is named for" if self._file is None else f"not in {self._file}")
            )

    def take(self, study_uid: str) -> StudyKey:
        """The key that the study's files are to be written by; it is made where there is none."""
        if not study_uid:
            raise ValueError("a file that is to be encrypted must be a study's")
        known = self._taken.get(study_uid)
        if known is not None and time.monotonic() - known[0] < self._again_seconds:
            return known[1]
        begun = time.monotonic()
        made = StudyKey(uuid.uuid4().hex, os.urandom(KEY_BYTES))
        with self._writing.begin() as connection:
            _lock(connection, "ROW EXCLUSIVE")
            # Read only now: a rotation may have ended while this waited for its turn.
            wrapped = _wrap(made, study_uid, self._current_ring())
            key = self._open(self._add(made, study_uid, wrapped, connection))
        _remember(self._taken, study_uid, (begun, key))
        return key

    def find(self, key_id: str) -> StudyKey | None:
        """The key of this id; None where it was destroyed."""
        known = self._found.get(key_id)
        if known is not None and time.monotonic() - known[0] < REMEMBER_SECONDS:
            return known[1]
        self._found.pop(key_id, None)
        begun = time.monotonic()
        with self._engine.connect() as connection:
            query = select(study_keys).where(study_keys.c.id == key_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        key = self._open(row)
        _remember(self._found, key_id, (begun, key))
        return key

    def rotate(self) -> int:
        """Wrap every key anew that the current master key has not wrapped; how many those were."""
        self.check()
        with self._writing.begin() as connection:
            _lock(connection, "SHARE ROW EXCLUSIVE")
            ring = self._current_ring()
            old = select(study_keys).where(study_keys.c.master != ring.current)
            rows = connection.execute(old).all()
            for row in rows:
                wrapped = _wrap(self._open(row), row.study_instance_uid, ring)
                mine = study_keys.c.id == row.id
                connection.execute(update(study_keys).where(mine).values(wrapped))
        return len(rows)

    def _add(
        self, made: StudyKey, study_uid: str, wrapped: Mapping[str, str], connection: Connection
    ) -> Any:
        """The study's row: of the key just made, unless it has one."""
        now = self._now()
        row = {"id": made.id, "study_instance_uid": study_uid, **wrapped}
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        adding = dialect.insert(study_keys).values(**row, created_at=now, used_at=now)
        # A key that is there is used from now on, and no purge that has begun takes it away.
        adding = adding.on_conflict_do_update(
            index_elements=["study_instance_uid"], set_={"used_at": now}
        )
        return connection.execute(adding.returning(study_keys)).one()

    def _open(self, row: Any) -> StudyKey:
        master = self._current_ring().keys.get(row.master)
        if master is None:  # the site has turned to a new one since
            self._reread()
            master = self._current_ring().keys.get(row.master)
        if master is None:
            raise EncryptionKeyError(f"the master key {row.master} is missing")
        wrapped = base64.b64decode(row.wrapped)
        secret = unwrap_key(wrapped, master, _bind(row.id, row.study_instance_uid))
        if secret is None:
            raise EncryptionKeyError(f"the key {row.id} of a study was changed in the database")
        return StudyKey(row.id, secret)

    def _current_ring(self) -> KeyRing:
        """As its file has it now: a key must not be used that the site has just replaced."""
        if self._file is not None and self._read_mark() != self._mark:
            self._reread()
        return self._ring

    def _reread(self) -> None:
        mark = self._read_mark()
        self._ring, self._mark = self._read_ring(), mark

    def _read_ring(self) -> KeyRing:
        return KeyRing({}) if self._file is None else read_key_ring(self._file, self._data)

    def _read_mark(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except OSError:
            return None  # reading it tells
        return status.st_ino, status.st_mtime_ns, status.st_size


def count_by_master(connection: Connection) -> Mapping[str, int]:
    """How many studies' keys each master key wraps, by its id."""
    query = select(study_keys.c.master, func.count().label("keys")).group_by(study_keys.c.master)
    return {row.master: row.keys for row in connection.execute(query)}


def destroy_unneeded_keys(connection: Connection, over: datetime) -> int:
    """Remove keys of studies that nothing is kept of; how many.

    One that was used after `over` may belong to an upload or a job whose rows are to come.
    """
    study = study_keys.c.study_instance_uid
    with_objects = select(instances.c.study_instance_uid)
    with_jobs = select(jobs.c.study_instance_uid).where(jobs.c.state != JobState.PURGED)
    unneeded = delete(study_keys).where(
        study_keys.c.used_at <= over, study.not_in(with_objects), study.not_in(with_jobs)
    )
    return connection.execute(unneeded).rowcount


def _lock(connection: Connection, mode: str) -> None:
    """Let no key be made beside a rotation; on SQLite no two write at once anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE study_keys IN {mode} MODE"))


def _wrap(key: StudyKey, study_uid: str, ring: KeyRing) -> dict[str, str]:
    wrapped = wrap_key(key.secret, ring.keys[ring.current], _bind(key.id, study_uid))
    return {"master": ring.current, "wrapped": base64.b64encode(wrapped).decode()}


def _bind(key_id: str, study_uid: str) -> bytes:
    return PURPOSE + key_id.encode() + b"\0" + study_uid.encode()


def _remember(
    known: dict[str, tuple[float, StudyKey]], name: str, what: tuple[float, StudyKey]
) -> None:
    if len(known) >= MOST_REMEMBERED:
        known.clear()
    known[name] = what
