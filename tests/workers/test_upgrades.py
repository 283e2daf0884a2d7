"""A database of any earlier version is brought up to date, and no row of it is lost."""

from __future__ import annotations

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.workers.old_databases import ROWS, fill, name_columns, read_rows
from workers.database import MIGRATIONS, migrate, open_engine
from workers.job_store import JobStore

# What a migration says anew, and columns that went: 0002 and 0003 tell why, and test_database.py
# tests what became of them.
RESTATED = {"0001": {("results", "structures"), ("results", "rtstruct_sha256")}}
RENAMED = {("jobs", "lost_attempts")}


def find_revisions() -> list[str]:
    """All there have been, the first first; a new one is tested without a line here."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.mark.parametrize("revision", find_revisions())
def test_no_row_of_an_earlier_version_is_lost(database_url: str, revision: str) -> None:
    """Every table, with every value of every column that is still there."""
    engine = open_engine(database_url)
    migrate(engine, revision)
    fill(engine, revision)
    before = read_rows(engine)
    restated = RESTATED.get(revision, set()) | RENAMED
    kept = {
        table: [name for name in names if (table, name) not in restated]
        for table, names in name_columns(before).items()
    }
    before = read_rows(engine, kept)

    migrate(engine)

    after = read_rows(engine, kept)
    found = JobStore(engine).find("id 2")
    engine.dispose()
    assert {len(rows) for rows in before.values()} == {ROWS}
    assert after == before
    assert [one.name for one in found.structures] == ["Brainstem"]
    assert [one.rtstruct for one in found.outputs] == ["rtstruct.dcm"]


def test_an_upgrade_may_be_done_twice(database_url: str) -> None:
    """Each start does it."""
    engine = open_engine(database_url)
    migrate(engine, "0001")
    fill(engine, "0001")
    migrate(engine)
    once = read_rows(engine)

    migrate(engine)

    assert read_rows(engine) == once
    engine.dispose()


def test_every_revision_since_the_first_release_is_there() -> None:
    """A migration that was taken away would leave its databases behind."""
    revisions = find_revisions()

    assert revisions[:7] == [f"{number:04d}" for number in range(1, 8)]
