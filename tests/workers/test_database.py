"""The schema and the connection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from workers.database import migrate, open_engine
from workers.tables import metadata


def test_the_migrations_make_the_tables_that_the_code_uses(engine: Engine) -> None:
    """A column that only one of the two knows would fail in a hospital, not here."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        differences = compare_metadata(context, metadata)

    assert differences == []


def test_several_processes_may_migrate_at_once(database_url: str) -> None:
    """Service and workers start together."""
    engines = [open_engine(database_url) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))

    assert set(metadata.tables) <= set(inspect(engines[0]).get_table_names())
    for engine in engines:
        engine.dispose()


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    """With less than FULL a loss of power can undo a commit that was answered."""
    engine = open_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")

    with engine.connect() as connection:
        journal = connection.scalar(text("PRAGMA journal_mode"))
        synchronous = connection.scalar(text("PRAGMA synchronous"))

    assert (journal, synchronous) == ("wal", 2)
