"""One state of the database, copied while it is written to, and put back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, MetaData, func, inspect, make_url, select, text

from contouring.errors import BackupError
from workers.database import MIGRATIONS, open_engine
from workers.durable_files import sync
from workers.tables import audit_cursor, audit_head, metadata

FILES = {"sqlite": "oarlock.sqlite", "postgresql": "oarlock.dump"}
FILLED = {audit_head.name, audit_cursor.name}  # by the migration that makes them


def name_kind(url: str) -> str:
    """Which of the two it is."""
    return make_url(url).get_backend_name()


@contextmanager
def copying_database(url: str, target: Path) -> Iterator[Connection]:
    """Copy it; the connection sees the very state that was copied, until the block ends."""
    target.unlink(missing_ok=True)
    if name_kind(url) == "sqlite":
        _copy_sqlite(_find_sqlite(url), target)
        sync(target)
        engine = open_engine(f"sqlite:///{target}", is_pooled=False)
        with engine.connect() as connection:
            yield connection
        _close_sqlite(target)
        return
    engine = open_engine(url, is_pooled=False)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}"]
        _run(make_url(url), ["pg_dump", *options, f"--file={target}"])
        sync(target)
        yield connection


def read_revision(connection: Connection) -> str:
    """Of the schema."""
    if "alembic_version" not in inspect(connection).get_table_names():
        raise BackupError("the database has no tables yet: there is nothing to back up.")
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


def knows_revision(revision: str) -> bool:
    """Whether this version can bring it up to date."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = ScriptDirectory.from_config(config).walk_revisions()
    return revision in {one.revision for one in known}


def holds_rows(url: str) -> bool:
    """Whether there is anything in it."""
    if name_kind(url) == "sqlite" and not _find_sqlite(url).exists():
        return False
    with open_engine(url, is_pooled=False).connect() as connection:
        present = set(inspect(connection).get_table_names())
        present -= FILLED
        tables = [table for table in metadata.sorted_tables if table.name in present]
        return any(connection.scalar(select(func.count()).select_from(one)) for one in tables)


def count_others(url: str) -> int:
    """Connections of others, where the database tells."""
    if name_kind(url) == "sqlite":
        return 0
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with open_engine(url, is_pooled=False).connect() as connection:
        return int(connection.scalar(query) or 0)


def restore_database(url: str, source: Path) -> None:
    """In place of what is there; a SQLite file is made whole before it has its name."""
    if name_kind(url) == "sqlite":
        target = _find_sqlite(url)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, part)
        sync(part)
        for beside in ("-wal", "-shm"):  # of the file that it replaces
            target.with_name(f"{target.name}{beside}").unlink(missing_ok=True)
        part.replace(target)
        sync(target.parent)
        return
    _run(make_url(url), ["pg_restore", "--list", str(source)])
    with open_engine(url, is_pooled=False).begin() as connection:
        found = MetaData()
        found.reflect(connection)
        found.drop_all(connection)
    options = ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    database = make_url(url).database or ""
    _run(make_url(url), ["pg_restore", *options, f"--dbname={database}", str(source)])


def _find_sqlite(url: str) -> Path:
    return Path(make_url(url).database or "")


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.is_file():
        raise BackupError(f"there is no database at {source}.")
    with (
        closing(sqlite3.connect(source, timeout=60)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        faults = copy.execute("PRAGMA integrity_check").fetchall()
    if faults != [("ok",)]:
        raise BackupError(f"the database {source} is damaged: {faults[0][0]}.")


def _close_sqlite(path: Path) -> None:
    """In one file: a backup is looked at again and again, and nothing may stand beside it."""
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")
    sync(path)


def _run(url: URL, command: list[str]) -> None:
    """The password is no argument, for arguments are everybody's to read."""
    program = shutil.which(command[0])
    if program is None:
        raise BackupError(f"{command[0]} was not found: install PostgreSQL's client programs.")
    known = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("sslmode"),
        "PGSSLROOTCERT": url.query.get("sslrootcert"),
    }
    given = {name: str(value) for name, value in known.items() if value is not None}
    done = subprocess.run(  # nosec B603 # our own words, and the site's settings
        [program, *command[1:]],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise BackupError(f"{command[0]} failed: {said}")
