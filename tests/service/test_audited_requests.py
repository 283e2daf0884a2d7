"""Whose request it is, and what is recorded of one that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import HTTPException, Request
from fastapi.testclient import TestClient

from service.app import create_app
from tests.service.test_old_results import claim_old_job
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent
from workers.job_store import JobStore


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A service with a route that refuses, and one whose user is known."""
    settings, _, _ = claim_old_job(tmp_path)
    app = create_app(settings)

    @app.get("/locked/{status}/{patient}")
    def refuse(status: int) -> None:
        raise HTTPException(status)

    @app.get("/known/{job_id}")
    def hold(job_id: str, request: Request) -> None:
        request.state.principal = SimpleNamespace(name="jane")
        request.state.request_id = "request-7"
        jobs: JobStore = request.app.state.context.jobs
        jobs.set_legal_hold(job_id, True)

    with TestClient(app) as client:
        yield client


def search(client: TestClient, event: AuditEvent) -> list[AuditRecord]:
    """Records of an event."""
    store: AuditStore = client.app.state.context.audit  # type: ignore[attr-defined]
    return list(store.search(AuditFilter(event=event)))


@pytest.mark.parametrize(
    ("status", "event"), [(401, AuditEvent.LOGIN_FAILED), (403, AuditEvent.ACCESS_REFUSED)]
)
def test_a_request_that_is_refused_leaves_a_record(
    client: TestClient, status: int, event: AuditEvent
) -> None:
    """With the pattern of its route, whose values may be a patient's."""
    answer = client.get(f"/locked/{status}/Doe")

    (record,) = search(client, event)

    assert answer.status_code == status
    assert (record.actor.person, record.actor.address) == ("anonymous", "testclient")
    assert record.details == {"route": "GET /locked/{status}/{patient}"}
    assert record.outcome == 8


def test_other_errors_leave_none(client: TestClient) -> None:
    """Whoever asks for what is not there is nobody's business."""
    client.get("/locked/404/Doe")

    assert search(client, AuditEvent.LOGIN_FAILED) == []
    assert search(client, AuditEvent.ACCESS_REFUSED) == []


def test_what_a_request_does_is_its_users_doing(client: TestClient) -> None:
    """Though who that is was found out after the request began."""
    job_id = client.get("/v1/jobs").json()["jobs"][0]["id"]
    client.get(f"/known/{job_id}")

    (record,) = search(client, AuditEvent.JOB_HELD)

    assert (record.actor.person, record.actor.address) == ("jane", "testclient")
    assert (record.actor.request_id, record.job_id) == ("request-7", job_id)


def test_an_upload_that_makes_no_job_leaves_a_record(client: TestClient) -> None:
    """With the name of the fault, and nothing of what was sent."""
    answer = client.post("/v1/jobs", files=[("files", ("Doe.dcm", b"no DICOM at all"))])

    (record,) = search(client, AuditEvent.SERIES_IMPORTED)

    assert answer.status_code == 415
    assert record.outcome == 4
    assert record.details == {"state": "refused", "fault": "not-dicom"}
