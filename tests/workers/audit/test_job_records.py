"""One record an event: what becomes of series, jobs and results, until they are purged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contouring.errors import WrongJobStateError
from tests.workers.arriving import PACS, receive
from tests.workers.conftest import LIMITS
from workers.arrival_additions import Addition, ArrivalAdditions
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.configuration import ConfigurationWatch
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent, Outcome
from workers.job_store import JobStore
from workers.jobs import Failure, NewJob, OutputRecord, PlannedDelivery
from workers.lease_store import LeaseStore, NewResult
from workers.outbox_store import OutboxStore
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.settings import Settings

OUTPUTS = (OutputRecord("eclipse", "eclipse.rtstruct.dcm"),)
E_OF = AuditEvent


@pytest.fixture
def store(engine: Engine) -> AuditStore:
    """Records of an empty database."""
    return AuditStore(engine)


def tell(store: AuditStore) -> list[tuple[AuditEvent, int]]:
    """Events and outcomes, in their order."""
    return [(record.event, int(record.outcome)) for record in store.search(AuditFilter())]


def find(store: AuditStore, event: AuditEvent) -> AuditRecord:
    """The one record of an event."""
    (record,) = store.search(AuditFilter(event=event))
    return record


def test_a_job_leaves_a_record_at_each_step(
    jobs: JobStore,
    leases: LeaseStore,
    engine: Engine,
    store: AuditStore,
    new_job: Callable[..., NewJob],
) -> None:
    """Made once however often it is sent; done, tried, delivered, held, purged."""
    planned = (PlannedDelivery("pacs", "eclipse"),)
    new = replace(new_job(), planned=planned, patient_id="4711")
    (job,) = jobs.add([new])
    jobs.add([new])
    claimed = leases.claim("worker")
    assert claimed is not None
    leases.finish(claimed, NewResult("f", {}, OUTPUTS, (), (), {}))
    outbox = OutboxStore(engine)
    first = outbox.claim_due()
    assert first is not None
    outbox.postpone(first, "HTTP 503")
    outbox.deliver(job.id)
    second = outbox.claim_due()
    assert second is not None
    outbox.succeed(second)
    jobs.set_legal_hold(job.id, True)
    jobs.set_legal_hold(job.id, False)
    later = datetime.now(UTC) + timedelta(days=99)
    RetentionStore(engine, Retention(), lambda: later).purge()

    assert tell(store) == [
        (E_OF.JOB_MADE, 0),
        (E_OF.RESULT_MADE, 0),
        (E_OF.DELIVERY_FAILED, 4),
        (E_OF.DELIVERY_ASKED, 0),
        (E_OF.DELIVERED, 0),
        (E_OF.JOB_HELD, 0),
        (E_OF.HOLD_LIFTED, 0),
        (E_OF.JOB_PURGED, 0),
    ]
    patients = {record.patient for record in store.search(AuditFilter())}
    assert {record.job_id for record in store.search(AuditFilter())} == {job.id}
    assert len(patients) == 1
    assert "" not in patients
    assert find(store, E_OF.JOB_PURGED).study_uid == new.study_instance_uid
    assert find(store, E_OF.DELIVERED).details["destination"] == "pacs"


def test_a_partial_job_is_released_by_somebody(
    jobs: JobStore, leases: LeaseStore, store: AuditStore, new_job: Callable[..., NewJob]
) -> None:
    """And what is refused leaves no record of having been done."""
    (job,) = jobs.add([new_job()])
    claimed = leases.claim("worker")
    assert claimed is not None
    held = Failure("incomplete", "a structure failed")
    leases.finish(claimed, NewResult("f", {}, OUTPUTS, (), (), {}, held=held))
    jobs.release(job.id)
    with pytest.raises(WrongJobStateError):
        jobs.release(job.id)

    assert tell(store) == [(E_OF.JOB_MADE, 0), (E_OF.RESULT_MADE, 0), (E_OF.JOB_RELEASED, 0)]
    assert find(store, E_OF.RESULT_MADE).details["state"] == "partial"


def test_a_job_that_fails_is_cancelled_or_run_again_leaves_a_record(
    jobs: JobStore, leases: LeaseStore, store: AuditStore, new_job: Callable[..., NewJob]
) -> None:
    """With the failure's code and none of its words."""
    (job,) = jobs.add([new_job()])
    claimed = leases.claim("worker")
    assert claimed is not None
    leases.fail(claimed, Failure("inference-failed", "words of the patient"))
    jobs.retry(job.id)
    jobs.cancel(job.id)

    assert tell(store) == [
        (E_OF.JOB_MADE, 0),
        (E_OF.JOB_FAILED, int(Outcome.SERIOUS_FAILURE)),
        (E_OF.JOB_RETRIED, 0),
        (E_OF.JOB_CANCELLED, 0),
    ]
    assert find(store, E_OF.JOB_FAILED).details == {"state": "failed", "fault": "inference-failed"}


def test_a_job_whose_processes_die_leaves_one_record(
    jobs: JobStore, engine: Engine, store: AuditStore, new_job: Callable[..., NewJob]
) -> None:
    """Of its end: an attempt that is made again tells nobody anything."""
    leases = LeaseStore(engine, 600.0, LIMITS)
    jobs.add([new_job()])
    for _ in range(LIMITS.child_deaths):
        leases.claim("worker")
        leases.lose_child("worker")

    assert tell(store) == [(E_OF.JOB_MADE, 0), (E_OF.JOB_FAILED, 8)]


def test_a_series_that_streams_in_leaves_two_records(engine: Engine, store: AuditStore) -> None:
    """Its beginning and its verdict, by its sender; each slice its own would tell nothing more."""
    arrivals = ArrivalStore(engine)
    (arrival_id,) = arrivals.note(PACS, receive([0]), 0)
    ArrivalAdditions(engine).add([Addition(arrival_id, receive([1])[0], 0)])
    arrivals.note(PACS, receive([2]), 0)
    (arrival,) = arrivals.find_receiving()
    judged = arrivals.claim(arrival)
    assert judged is not None
    arrivals.close(judged, Verdict(ArrivalState.INCOMPLETE, fault="missing-slice"))
    arrivals.close(judged, Verdict(ArrivalState.ACCEPTED))

    assert tell(store) == [(E_OF.OBJECTS_COMING, 0), (E_OF.OBJECTS_RECEIVED, 4)]
    received = find(store, E_OF.OBJECTS_RECEIVED)
    assert received.actor.person == PACS.name
    assert received.details == {"state": "incomplete", "instances": 3, "fault": "missing-slice"}


def test_what_came_in_and_is_forgotten_leaves_a_record(engine: Engine, store: AuditStore) -> None:
    """Also what never was a job."""
    arrivals = ArrivalStore(engine)
    arrivals.note_whole(PACS, receive(range(3)), Verdict(ArrivalState.REFUSED))
    later = datetime.now(UTC) + timedelta(days=99)
    RetentionStore(engine, Retention(), lambda: later).purge()

    forgotten = find(store, E_OF.OBJECTS_FORGOTTEN)

    assert forgotten.study_uid == receive([0])[0].study_instance_uid


def test_a_job_that_gives_way_leaves_a_record(
    jobs: JobStore, store: AuditStore, new_job: Callable[..., NewJob]
) -> None:
    """Each that waited; one that has ended is not cancelled."""
    old, older, other = jobs.add([new_job("a"), new_job("bb"), new_job("ccc")])
    jobs.cancel(older.id)

    jobs.supersede([old.id, older.id], other.id)

    cancelled = list(store.search(AuditFilter(event=E_OF.JOB_CANCELLED)))
    assert sorted(record.job_id for record in cancelled) == sorted([old.id, older.id])


def test_a_file_that_cannot_be_read_stops_nobody(
    store: AuditStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upload may be what made the server look; root may read every file, so it is told."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("format: 1")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    ConfigurationWatch(store, Settings(rules=rules), {}, "generic").note_changes()

    assert list(store.search(AuditFilter(event=E_OF.CONFIGURATION_CHANGED))) == []


def test_a_change_of_the_configuration_is_recorded_once(
    engine: Engine, store: AuditStore, tmp_path: Path
) -> None:
    """With the parts that changed, and no value of theirs, which may be a password."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("format: 1")
    settings = Settings(rules=rules, redis_url="redis://:secret@localhost")

    def look(settings: Settings) -> None:
        ConfigurationWatch(store, settings, {"hn-oar": "c" * 64}, "generic").note_changes()

    look(settings)
    look(settings)
    rules.write_text("format: 2")
    look(settings)
    look(Settings(**{**settings.model_dump(), "port": 9999}))

    found = list(store.search(AuditFilter(event=E_OF.CONFIGURATION_CHANGED)))
    assert [record.details["changed"] for record in found] == [
        "settings,rules,destinations,sources,models,templates",
        "rules",
        "settings",
    ]
    assert "secret" not in str(found)
