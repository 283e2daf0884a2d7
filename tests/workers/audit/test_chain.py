"""Records are written with what they tell of, in one chain, and whoever breaks it is found out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, Executable, delete, insert, select, text, update

from workers.audit.actors import Actor, acting_for
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.audit.reporting import build_pruning
from workers.database import writing
from workers.settings import Settings
from workers.tables import audit_head, audit_records

SOURCES = ("cli", "service", "workers", "models", "contouring")
WRITER = """
import sys
from workers.audit.audit_store import AuditStore
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.database import open_engine
store = AuditStore(open_engine(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.note(AuditEntry(AuditEvent.STARTED))
"""


@pytest.fixture
def store(engine: Engine) -> AuditStore:
    """Records of an empty database."""
    return AuditStore(engine)


@pytest.fixture
def filled(store: AuditStore) -> AuditStore:
    """Ten of them."""
    for number in range(10):
        store.note(AuditEntry(AuditEvent.JOB_MADE, job_id=f"job-{number}"))
    return store


def test_a_record_is_there_once_its_change_is(engine: Engine, store: AuditStore) -> None:
    """A change without its record is one that nobody answers for; the other way round a lie."""
    entry = AuditEntry(AuditEvent.JOB_MADE, job_id="kept")
    with writing(engine).begin() as connection:
        note(connection, entry)
        before = store.count(AuditFilter())
    with pytest.raises(ZeroDivisionError), writing(engine).begin() as connection:  # noqa: PT012
        note(connection, AuditEntry(AuditEvent.JOB_MADE, job_id="lost"))
        _ = 1 / 0
    store.note(AuditEntry(AuditEvent.STARTED))

    found = [record.job_id for record in store.search(AuditFilter())]

    assert (before, found) == (0, ["kept", ""])


def test_many_writers_keep_one_chain(engine: Engine, store: AuditStore) -> None:
    """Threads and processes; each number once, each hash over the one before."""
    url = engine.url.render_as_string(hide_password=False)
    others = [subprocess.Popen([sys.executable, "-c", WRITER, url, "25"]) for _ in range(2)]

    def write(_: int) -> None:
        with writing(engine).begin() as connection:
            note(connection, AuditEntry(AuditEvent.JOB_MADE))
            note(connection, AuditEntry(AuditEvent.RESULT_MADE))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    codes = [other.wait() for other in others]

    found = store.verify()

    assert codes == [0, 0]
    assert (found.fault, found.count, found.number) == ("", 130, 130)


def _execute(engine: Engine, statement: Executable) -> None:
    with writing(engine).begin() as connection:
        connection.execute(statement)


def _change_content(engine: Engine) -> None:
    changed = text("UPDATE audit_records SET content = replace(content, 'job-4', 'job-5')")
    _execute(engine, changed)


def _change_column(engine: Engine) -> None:
    mine = update(audit_records).where(audit_records.c.number == 5)
    _execute(engine, mine.values(job_id="another"))


def _remove_one(engine: Engine) -> None:
    _execute(engine, delete(audit_records).where(audit_records.c.number == 5))


def _cut_off_the_end(engine: Engine) -> None:
    _execute(engine, delete(audit_records).where(audit_records.c.number > 8))


def _cut_off_the_beginning(engine: Engine) -> None:
    _execute(engine, delete(audit_records).where(audit_records.c.number < 3))


def _add_one(engine: Engine) -> None:
    with engine.connect() as connection:
        last = connection.execute(select(audit_records).where(audit_records.c.number == 10)).one()
    _execute(engine, insert(audit_records).values({**last._mapping, "number": 11}))


def _set_the_head_back(engine: Engine) -> None:
    _execute(engine, update(audit_head).values(number=9))


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_change_content, "record 5 was changed"),
        (_change_column, "record 5 is told in its columns otherwise"),
        (_remove_one, "record 5 is missing"),
        (_cut_off_the_end, "records 9 to 10 are missing"),
        (_cut_off_the_beginning, "record 1 is missing"),
        (_add_one, "1 record(s) stand behind the last one"),
        (_set_the_head_back, "record 9 is not the one that was written last"),
    ],
)
def test_whatever_is_changed_behind_its_back_is_told(
    engine: Engine, filled: AuditStore, spoil: Callable[[Engine], None], fault: str
) -> None:
    """With the number of the record, where somebody goes on to look."""
    before = filled.verify()
    spoil(engine)

    after = filled.verify()

    assert before.fault == ""
    assert after.fault.startswith(fault)


def test_records_beside_a_verification_are_not_held_against_it(filled: AuditStore) -> None:
    """A busy server writes while somebody verifies."""
    noted = []

    def write(_fraction: float) -> None:
        if not noted:
            filled.note(AuditEntry(AuditEvent.STARTED))
            noted.append(1)

    found = filled.verify(write)

    assert (found.fault, found.number) == ("", 10)


def test_old_records_go_and_the_chain_stays_whole(filled: AuditStore) -> None:
    """That some have gone is a record; the newest stays, and what a collector lacks."""
    later = datetime.now(UTC) + timedelta(days=1)
    unsent = filled.prune(later, unsent_stay=True)
    early = filled.prune(datetime(2020, 1, 1, tzinfo=UTC), unsent_stay=False)

    removed = filled.prune(later, unsent_stay=False)

    left = list(filled.search(AuditFilter()))
    assert (unsent, early, removed) == (0, 0, 9)
    assert [record.event for record in left] == [AuditEvent.JOB_MADE, AuditEvent.AUDIT_PRUNED]
    assert filled.verify().fault == ""


@pytest.mark.parametrize(("days", "removed"), [(None, 0), (30.0, 0), (1.0, 9)])
def test_records_are_kept_as_long_as_the_site_wants(
    filled: AuditStore, days: float | None, removed: int
) -> None:
    """For ever, unless it says otherwise."""
    later = datetime.now(UTC) + timedelta(days=2)

    prune = build_pruning(filled, Settings(audit_keep_days=days), lambda: later)

    assert prune() == removed


def test_a_patient_is_found_by_the_id_and_named_nowhere(engine: Engine, store: AuditStore) -> None:
    """Also what names only the study or the job; the ID itself is in no row."""
    store.note(AuditEntry(AuditEvent.OBJECTS_COMING, study_uid="1.2", patient_id="MRN-4711"))
    store.note(AuditEntry(AuditEvent.JOB_MADE, study_uid="1.2", job_id="a"))
    store.note(AuditEntry(AuditEvent.RESULT_VIEWED, job_id="a"))
    store.note(AuditEntry(AuditEvent.OBJECTS_COMING, study_uid="1.3", patient_id="MRN-0815"))

    found = [record.event for record in store.search(AuditFilter(patient_id="MRN-4711"))]

    with engine.connect() as connection:
        rows = str(connection.execute(select(audit_records)).all())
    assert found == [AuditEvent.OBJECTS_COMING, AuditEvent.JOB_MADE, AuditEvent.RESULT_VIEWED]
    assert "MRN" not in rows


def test_records_are_found_by_time_person_event_and_job(store: AuditStore) -> None:
    """Each alone and together."""
    with acting_for(lambda: Actor("jane", "10.0.0.7", "key 0ddba11")):
        store.note(AuditEntry(AuditEvent.JOB_MADE, job_id="a"))
        store.note(AuditEntry(AuditEvent.JOB_CANCELLED, job_id="b"))
    store.note(AuditEntry(AuditEvent.JOB_MADE, job_id="b"))
    now = datetime.now(UTC)

    def find(wanted: AuditFilter) -> list[int]:
        return [record.number for record in store.search(wanted)]

    assert find(AuditFilter(person="jane")) == [1, 2]
    assert find(AuditFilter(event=AuditEvent.JOB_MADE)) == [1, 3]
    assert find(AuditFilter(job_id="b")) == [2, 3]
    assert find(AuditFilter(person="jane", job_id="b")) == [2]
    assert find(AuditFilter(since=now)) == []
    assert find(AuditFilter(until=now)) == [1, 2, 3]


def test_a_name_of_any_length_and_letters_is_recorded(store: AuditStore) -> None:
    """A sender must not keep its deed out of the records by what it calls itself."""
    name = "x" * 300 + "\0\n<&\u202e"
    store.note(AuditEntry(AuditEvent.NODE_REFUSED, actor=Actor(name, "10.0.0.7")))

    (record,) = store.search(AuditFilter())

    assert record.actor.person == name
    assert store.verify().fault == ""


def test_a_record_has_no_room_for_sentences() -> None:
    """A detail that nobody thought about may be the patient's."""
    with pytest.raises(ValueError, match="no room for reason_in_words"):
        AuditEntry(AuditEvent.JOB_FAILED, details={"reason_in_words": "Doe^John moved"})


def test_only_the_chain_writes_records() -> None:
    """Append-only by code path: nobody else inserts, updates or, but for pruning, deletes."""
    repository = Path(__file__).parents[3]
    writers = {
        path.relative_to(repository).as_posix()
        for folder in SOURCES
        for path in (repository / folder).rglob("*.py")
        for verb in ("insert", "update", "delete")
        if f"{verb}(audit_records)" in path.read_text()
        or f"audit_records.{verb}(" in path.read_text()
    }

    assert writers == {"workers/audit/chain.py", "workers/audit/audit_store.py"}
    assert "update(audit_records)" not in (repository / "workers/audit/chain.py").read_text()
