"""`oarlock encryption`: keys are made, changed and counted, and what is wrong is said."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

from sqlalchemy import delete, select, text

from tests.cli.shell import run
from workers.audit.audit_store import AuditStore
from workers.audit.events import AuditEvent
from workers.database import migrate, open_engine, writing
from workers.encryption.key_ring import read_key_ring
from workers.encryption.study_keys import StudyKeys
from workers.settings import Settings
from workers.tables import study_keys


def oarlock(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of a site in a folder."""
    settings = {"OARLOCK_DATA": str(folder / "data"), "COLUMNS": "200"}
    return run(*words, OARLOCK_ENCRYPTION_KEY_FILE=str(folder / "keys"), **settings)


def test_a_key_is_made_rotated_and_the_old_one_forgotten(tmp_path: Path) -> None:
    """A site changes its master key once a year, or when somebody has seen it."""
    made = oarlock(tmp_path, "encryption", "new-key")
    first = read_key_ring(tmp_path / "keys").current
    (tmp_path / "data").mkdir()
    engine = open_engine(Settings(data=tmp_path / "data").sql_url)
    migrate(engine)
    key = StudyKeys(engine, tmp_path / "keys", tmp_path / "data", 600.0).take("1.2.3")
    again = oarlock(tmp_path, "encryption", "new-key")
    before = json.loads(oarlock(tmp_path, "encryption", "status", "--json").stdout)
    rotated = oarlock(tmp_path, "encryption", "rotate", "--forget-old")
    after = json.loads(oarlock(tmp_path, "encryption", "status", "--json").stdout)
    second = read_key_ring(tmp_path / "keys").current
    reopened = StudyKeys(engine, tmp_path / "keys", tmp_path / "data", 600.0).find(key.id)
    record = AuditStore(engine).find_last(AuditEvent.MASTER_KEY_ROTATED)
    engine.dispose()

    assert made.returncode == again.returncode == rotated.returncode == 0, rotated.stderr
    assert first in made.stdout
    assert "oarlock encryption rotate" in again.stderr
    assert "oarlock encryption rotate" not in made.stderr
    assert before["master_keys"] == [first, second]
    assert before["studies_by_master_key"] == {first: 1}
    assert f"the master key {first} is gone" in rotated.stdout
    assert after["master_keys"] == [second]
    assert after["studies_by_master_key"] == {second: 1}
    assert reopened == key
    assert record is not None


def test_a_master_key_that_a_study_came_under_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    """A machine with an older copy of the file goes on to use it; nobody could read its studies."""
    oarlock(tmp_path, "encryption", "new-key")
    (tmp_path / "data").mkdir()
    engine = open_engine(Settings(data=tmp_path / "data").sql_url)
    migrate(engine)
    keys = StudyKeys(engine, tmp_path / "keys", tmp_path / "data", 600.0)
    first, key = read_key_ring(tmp_path / "keys").current, keys.take("1.2.3")
    # The database itself does what such a machine would: once the rotation has ended, its row.
    columns = ", ".join(column.name for column in study_keys.columns)
    with writing(engine).begin() as connection:
        connection.execute(text("CREATE TABLE late AS SELECT * FROM study_keys"))
        connection.execute(delete(study_keys))
        connection.execute(
            text(
                "CREATE TRIGGER machine AFTER INSERT ON audit_records "
                f"BEGIN INSERT INTO study_keys ({columns}) SELECT {columns} FROM late; END"
            )
        )
    oarlock(tmp_path, "encryption", "new-key")

    refused = oarlock(tmp_path, "encryption", "rotate", "--forget-old")
    ring = [*read_key_ring(tmp_path / "keys").keys]
    with writing(engine).begin() as connection:
        connection.execute(text("DROP TRIGGER machine"))
    again = oarlock(tmp_path, "encryption", "rotate", "--forget-old")
    found = StudyKeys(engine, tmp_path / "keys", tmp_path / "data", 600.0).find(key.id)
    engine.dispose()

    assert refused.returncode == 1
    assert f"1 studies came meanwhile under the master key {first}: no key" in refused.stderr
    assert "rotate --forget-old` again" in refused.stderr
    assert first in ring
    assert f"the master key {first} is gone" in again.stdout
    assert found == key


def test_no_command_shows_a_key(tmp_path: Path) -> None:
    """A terminal is scrolled back, and output lands in logs."""
    words = ("new-key", "status", "rotate")
    told = [oarlock(tmp_path, "encryption", one) for one in words]
    key = (tmp_path / "keys").read_text().split(":")[-1].strip()

    assert all(one.returncode == 0 for one in told), told
    assert not any(key in one.stdout + one.stderr for one in told)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Status leaves with 1 where studies cannot be read, so that a monitor can ask it."""
    oarlock(tmp_path, "encryption", "new-key")
    oarlock(tmp_path, "encryption", "status")
    engine = open_engine(Settings(data=tmp_path / "data").sql_url)
    StudyKeys(engine, tmp_path / "keys", tmp_path / "data", 600.0).take("1.2.3")
    with engine.connect() as connection:
        master = connection.scalar(select(study_keys.c.master))
    engine.dispose()
    (tmp_path / "keys").unlink()
    none = oarlock(tmp_path, "encryption", "status")
    oarlock(tmp_path, "encryption", "new-key")

    status = oarlock(tmp_path, "encryption", "status")
    rotated = oarlock(tmp_path, "encryption", "rotate", "--forget-old")

    assert (none.returncode, status.returncode, rotated.returncode) == (1, 1, 1)
    assert "cannot be read (No such file or directory)" in none.stderr
    assert f"the master key {master} is missing: 1 studies cannot be read" in status.stderr
    assert f"under the master key {master}" in rotated.stderr


def test_keys_are_made_where_they_can_protect_something(tmp_path: Path) -> None:
    """Not in the data folder, and not without a name."""
    inside = oarlock(tmp_path, "encryption", "new-key", tmp_path / "data" / "keys")
    unnamed = run("encryption", "new-key", OARLOCK_DATA=str(tmp_path / "data"))

    assert (inside.returncode, unnamed.returncode) == (2, 2)
    assert "in the data folder" in inside.stderr
    assert "OARLOCK_ENCRYPTION_KEY_FILE" in unnamed.stderr
    assert not list(tmp_path.rglob("keys"))
