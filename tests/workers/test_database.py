"""The schema and the connection."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import OperationalError

from workers.database import is_out_of_space, migrate, open_engine, writing
from workers.job_store import JobStore
from workers.jobs import OutputRecord
from workers.tables import metadata

# A job and its result as version 0.1.0 stored them.
FIRST_JOB = {
    "id": "job",
    "key": "k",
    "state": "done",
    "priority": "normal",
    "turn_at": datetime(2026, 1, 1, tzinfo=UTC),
    "series_digest": "s",
    "study_instance_uid": "1.2",
    "series_instance_uid": "1.2.3",
    "series_description": "",
    "slice_count": 3,
    "model_name": "hn-oar",
    "model_checksum": "c",
    "parameters": "{}",
    "attempt": 1,
    "fence": 1,
    "lost_attempts": 2,
    "cancel_requested": False,
    "progress": 1.0,
    "warnings": "[]",
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
}
FIRST_RESULT = {
    "job_id": "job",
    "fence": 1,
    "folder": "job/1",
    "rtstruct_sha256": "d" * 64,
    "structures": json.dumps(
        [
            {"name": "Brainstem", "found": True, "volume_cm3": 25.5, "slices": 20, "contours": 21},
            {"name": "Larynx", "found": False, "volume_cm3": 0.0, "slices": 0, "contours": 0},
        ]
    ),
    "stage_seconds": "{}",
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
}


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


def test_a_full_disk_is_told_from_other_failures(tmp_path: Path) -> None:
    """Senders are told to come again, and the operator to make room."""
    engine = open_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    failed = []
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE large (content BLOB)"))
        connection.execute(text("PRAGMA max_page_count = 3"))
        for statement in ("INSERT INTO large VALUES (zeroblob(100000))", "SELECT * FROM missing"):
            with pytest.raises(OperationalError) as error:
                connection.execute(text(statement))
            failed.append(is_out_of_space(error.value))
    engine.dispose()

    assert failed == [True, False]


def test_the_results_of_the_first_version_are_still_found(database_url: str) -> None:
    """An update must not lose the way to a structure set that was fetched last week."""
    engine = open_engine(database_url)
    migrate(engine, "0001")
    with writing(engine).begin() as connection:
        for table, values in (("jobs", FIRST_JOB), ("results", FIRST_RESULT)):
            names = ", ".join(values)
            places = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), values)

    migrate(engine)

    job = JobStore(engine).find("job")
    engine.dispose()
    assert (job.child_deaths, job.lost_leases, job.transient_errors) == (0, 2, 0)
    assert job.outputs == (OutputRecord("generic", "rtstruct.dcm"),)
    assert [(one.name, one.status, one.volume_cm3) for one in job.structures] == [
        ("Brainstem", "contoured", 25.5),
        ("Larynx", "not-in-scan", 0.0),
    ]
