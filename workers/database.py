"""The connection to SQLite or PostgreSQL, brought to the newest schema."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from workers.audit.chain import keep_chain
from workers.tables import metadata
from workers.write_turns import waiting_in_turn

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30
MIGRATION_LOCK = 0x0A21_0C4B  # any number that only Oarlock's migrations lock
DISK_FULL = "53100"  # a SQLSTATE of PostgreSQL
SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_engine(url: str, *, is_pooled: bool = True) -> Engine:
    """An engine whose commits are on disk when they return.

    Unless `is_pooled`, no connection outlives its use: a fork may then happen at any time.
    """
    pool = {} if is_pooled else {"poolclass": NullPool}
    if make_url(url).get_backend_name() != "sqlite":
        # An error's parameters are the patient's, and errors are logged.
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, **pool)
        keep_chain(engine)
        return engine
    wait = {"timeout": BUSY_SECONDS}
    engine = create_engine(url, connect_args=wait, hide_parameters=True, **pool)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    keep_chain(engine)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: on SQLite they take the write lock first."""
    return engine.execution_options(oarlock_writes=True)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision, the newest; safe when several processes start at once."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK}
            )
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def forget_deleted(engine: Engine) -> bool:
    """Leave no bytes of deleted rows in the database's files; False if readers were in the way."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"VACUUM {', '.join(metadata.tables)}"))
        return True
    raw = engine.raw_connection()
    try:
        busy, *_ = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.close()
    return not busy


def is_out_of_space(error: SQLAlchemyError) -> bool:
    """Whether the database failed because its disk is full."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) in SQLITE_FULL
    return getattr(cause, "sqlstate", None) == DISK_FULL


def read_lease_clock(connection: Connection) -> tuple[str, float]:
    """Name and seconds of a clock that nobody sets: the server's, or this machine's since boot.

    A lease written under another name (before a reboot, say) is over.
    """
    if connection.dialect.name == "postgresql":
        now = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        return "postgresql", float(now or 0.0)
    return BOOT_ID.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite does.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is purged is overwritten
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    database = connection.engine.url.database
    if not connection.get_execution_options().get("oarlock_writes", False) or database is None:
        connection.exec_driver_sql("BEGIN")
        return
    with waiting_in_turn(database, BUSY_SECONDS):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
