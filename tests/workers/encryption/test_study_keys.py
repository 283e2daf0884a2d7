"""Keys of studies: one for each, opened by the master key alone, and destroyed with the study."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, func, select, update

from contouring.errors import EncryptionKeyError
from tests.workers.arriving import PACS, receive
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.database import open_engine, writing
from workers.encryption.key_ring import add_key, forget_older_keys
from workers.encryption.study_keys import StudyKeys
from workers.job_store import JobStore
from workers.jobs import NewJob
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.tables import study_keys

STUDY = "1.2.3"
START = datetime(2026, 1, 1, tzinfo=UTC)
UNUSED_SECONDS = 600.0
WAIT_SECONDS = 1.0  # for what is to wait itself


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with one master key."""
    add_key(tmp_path / "keys")
    return tmp_path / "keys"


def open_keys(engine: Engine, key_file: Path | None, now: datetime = START) -> StudyKeys:
    """As a process opens them."""
    return StudyKeys(engine, key_file, Path("data"), UNUSED_SECONDS, lambda: now)


def open_again(engine: Engine) -> Engine:
    """The same database, as another process has it."""
    return open_engine(engine.url.render_as_string(hide_password=False))


def count(engine: Engine) -> int:
    """Keys in the database."""
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(study_keys)) or 0


def test_a_study_has_one_key_in_every_process(engine: Engine, key_file: Path) -> None:
    """Service, worker and node write files of the same study."""
    first = open_keys(engine, key_file).take(STUDY)

    again, other = open_keys(engine, key_file).take(STUDY), open_keys(engine, key_file).take("1.2")

    assert again == first
    assert {other.id, other.secret}.isdisjoint({first.id, first.secret})
    assert open_keys(engine, key_file).find(first.id) == first
    assert open_keys(engine, key_file).find("0" * 32) is None


def test_processes_that_begin_a_study_at_once_agree(engine: Engine, key_file: Path) -> None:
    """Two associations bring slices of one study."""
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: open_keys(engine, key_file).take(STUDY), range(16)))

    assert len(set(taken)) == 1
    assert count(engine) == 1


def test_the_database_alone_does_not_tell_a_key(engine: Engine, key_file: Path) -> None:
    """Neither does another master key, nor a row that was written for another study."""
    key = open_keys(engine, key_file).take(STUDY)
    with engine.connect() as connection:
        row = connection.execute(select(study_keys)).one()
    key_file.unlink()
    add_key(key_file)

    with pytest.raises(EncryptionKeyError, match=row.master):
        open_keys(engine, key_file).find(key.id)
    assert key.secret.hex() not in str(row)


def test_a_key_that_is_given_to_another_study_does_not_open(engine: Engine, key_file: Path) -> None:
    """A row is bound to its study: exchanged, it would keep a purged study's files readable."""
    key = open_keys(engine, key_file).take(STUDY)
    with writing(engine).begin() as connection:
        connection.execute(update(study_keys).values(study_instance_uid="1.2.99"))

    with pytest.raises(EncryptionKeyError, match="changed in the database"):
        open_keys(engine, key_file).find(key.id)


def test_a_missing_master_key_is_told_before_anything_is_done(
    engine: Engine, key_file: Path, tmp_path: Path
) -> None:
    """Of a file without it, and of no file at all; nothing is missing where there is no study."""
    open_keys(engine, None).check()
    open_keys(engine, key_file).take(STUDY)
    open_keys(engine, key_file).check()
    add_key(tmp_path / "others")

    for wrong in (None, tmp_path / "others"):
        with pytest.raises(EncryptionKeyError, match="1 studies are encrypted"):
            open_keys(engine, wrong).check()


def test_a_rotation_wraps_keys_anew_and_changes_none(engine: Engine, key_file: Path) -> None:
    """Files stay as they are; whoever has the old master key alone opens nothing any more."""
    studies = [f"1.2.{number}" for number in range(5)]
    running = open_keys(engine, key_file)
    taken = {study: running.take(study) for study in studies}
    before = key_file.read_text()
    new = add_key(key_file)

    rotated = open_keys(engine, key_file).rotate()
    again = open_keys(engine, key_file).rotate()
    forget_older_keys(key_file, new)

    assert (rotated, again) == (5, 0)
    running.check()  # a process that was started before
    assert {study: running.take(study) for study in studies} == taken
    assert [open_keys(engine, key_file).find(one.id) for one in taken.values()] == [*taken.values()]
    key_file.write_text(before)
    with pytest.raises(EncryptionKeyError, match="5 studies"):
        open_keys(engine, key_file).check()


def test_a_process_turns_to_the_new_master_key_by_itself(engine: Engine, key_file: Path) -> None:
    """Else the next study would be under the key that the site has just replaced."""
    running = open_keys(engine, key_file)
    running.take("1.2.1")
    new = add_key(key_file)

    running.take("1.2.2")

    with engine.connect() as connection:
        query = select(study_keys.c.study_instance_uid, study_keys.c.master)
        masters = {row.study_instance_uid: row.master for row in connection.execute(query)}
    assert masters["1.2.2"] == new != masters["1.2.1"]


def test_a_study_that_begins_beside_a_rotation_is_under_the_new_master_key(
    engine: Engine, key_file: Path
) -> None:
    """It waits for the rotation to end: the key that it would have used before may be forgotten."""
    running, other = open_keys(engine, key_file), open_again(engine)
    new: list[str] = []

    def rotate(_connection: Connection) -> None:
        new.append(add_key(key_file))
        open_keys(other, key_file).rotate()

    event.listen(engine, "engine_connect", rotate, once=True)  # before its transaction begins
    key = running.take(STUDY)
    forget_older_keys(key_file, *new)

    assert open_keys(engine, key_file).find(key.id) == key
    other.dispose()


def test_a_rotation_waits_for_a_study_that_begins(engine: Engine, key_file: Path) -> None:
    """Else it would not see the key that was wrapped by the older master key."""
    running, other = open_keys(engine, key_file), open_again(engine)
    rotations: list[Future[int]] = []

    def rotate(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO study_keys"):
            new.append(add_key(key_file))
            rotations.append(pool.submit(open_keys(other, key_file).rotate))
            wait(rotations, timeout=WAIT_SECONDS)

    new: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        event.listen(engine, "before_cursor_execute", rotate)
        key = running.take(STUDY)
        event.remove(engine, "before_cursor_execute", rotate)
        assert [one.result() for one in rotations] == [1]
    forget_older_keys(key_file, *new)

    assert open_keys(engine, key_file).find(key.id) == key
    other.dispose()


def test_a_key_goes_with_the_last_job_of_its_study(
    engine: Engine, key_file: Path, jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """In the transaction that empties the job's row: no moment in which copies still open."""
    key = open_keys(engine, key_file).take(STUDY)
    (job,) = jobs.add([new_job()])
    jobs.cancel(job.id)
    kept = RetentionStore(engine, Retention(), lambda: datetime.now(UTC))
    due = RetentionStore(engine, Retention(), lambda: datetime.now(UTC) + timedelta(days=15))

    assert kept.purge() == ()
    assert open_keys(engine, key_file).find(key.id) == key
    assert due.purge() == (job.id,)
    assert open_keys(engine, key_file).find(key.id) is None
    assert open_keys(engine, key_file).take(STUDY) != key


def test_a_study_that_another_job_needs_keeps_its_key(
    engine: Engine, key_file: Path, jobs: JobStore, new_job: Callable[..., NewJob]
) -> None:
    """Its files are those of both."""
    key = open_keys(engine, key_file).take(STUDY)
    first, _ = jobs.add([new_job("series"), new_job("another")])
    jobs.cancel(first.id)
    later = datetime.now(UTC) + timedelta(days=15)

    purged = RetentionStore(engine, Retention(), lambda: later).purge()

    assert purged == (first.id,)
    assert open_keys(engine, key_file).find(key.id) == key


def test_a_key_of_objects_without_a_job_goes_with_them(engine: Engine, key_file: Path) -> None:
    """What came in and became no job is kept for a while, too."""
    arrivals = ArrivalStore(engine)
    (instance,) = receive([1])
    key = open_keys(engine, key_file).take(instance.study_instance_uid)
    verdict = Verdict(ArrivalState.REFUSED, fault="tilted", reason="It is.")
    arrivals.note_whole(PACS, [instance], verdict)
    week = datetime.now(UTC) + timedelta(days=7)
    later = datetime.now(UTC) + timedelta(days=15)

    RetentionStore(engine, Retention(), lambda: week).purge()
    before = open_keys(engine, key_file).find(key.id)
    RetentionStore(engine, Retention(), lambda: later).purge()

    assert before == key
    assert open_keys(engine, key_file).find(key.id) is None


def test_a_key_that_was_just_taken_stays_until_its_rows_are_there(
    engine: Engine, key_file: Path
) -> None:
    """Files come before the rows that name them: a purge between both must not make them mute."""
    taken_at = START + timedelta(seconds=UNUSED_SECONDS)
    key = open_keys(engine, key_file).take(STUDY)
    open_keys(engine, key_file, taken_at).take(STUDY)  # once more, by another upload
    retention = Retention(unused_keys=timedelta(seconds=UNUSED_SECONDS))

    RetentionStore(engine, retention, lambda: taken_at + timedelta(seconds=1)).purge()
    before = open_keys(engine, key_file).find(key.id)
    late = taken_at + timedelta(seconds=UNUSED_SECONDS)
    RetentionStore(engine, retention, lambda: late).purge()

    assert before == key
    assert open_keys(engine, key_file).find(key.id) is None


def test_nothing_is_encrypted_that_is_of_no_study(engine: Engine, key_file: Path) -> None:
    """Its key would be destroyed at once, for nothing needs it."""
    with pytest.raises(ValueError, match="study's"):
        open_keys(engine, key_file).take("")
