"""Whose request it is, and what is recorded of one that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from service.access.declarations import needs
from service.access.roles import Permission, Role
from service.app import create_app
from tests.keys import SHOWN
from tests.service.access.conftest import show
from tests.service.test_old_results import claim_old_job
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent
from workers.database import open_engine
from workers.key_store import KeyStore
from workers.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a service that has a job."""
    settings, _, _ = claim_old_job(tmp_path)
    return settings


@pytest.fixture
def jane(settings: Settings) -> str:
    """A reviewer's key."""
    key = KeyStore(open_engine(settings.sql_url)).create("jane", [Role.REVIEWER])
    assert key is not None
    return key


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A service with one more route, which refuses."""
    app = create_app(settings)

    @app.get("/locked/{status}/{patient}")
    @needs(Permission.DESCRIBE)
    def refuse(status: int) -> None:
        raise HTTPException(status)

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
    client: TestClient, jane: str, status: int, event: AuditEvent
) -> None:
    """With the pattern of its route, whose values may be a patient's."""
    answer = client.get(f"/locked/{status}/Doe", headers=show(jane))

    (record,) = search(client, event)

    assert answer.status_code == status
    assert (record.actor.person, record.actor.address) == ("jane", "testclient")
    assert record.details == {"route": "GET /locked/{status}/{patient}"}
    assert record.outcome == 8
    assert record.request_id == answer.headers["X-Request-ID"]


def test_a_login_that_fails_leaves_a_record(client: TestClient) -> None:
    """Nobody knows who that was, nor which route it would have come to."""
    answer = client.get("/v1/jobs", headers={"X-API-Key": "oarlock_abcdefgh" + "0" * 36})

    (record,) = search(client, AuditEvent.LOGIN_FAILED)

    assert answer.status_code == 401
    assert (record.actor.person, record.actor.proof) == ("anonymous", "")
    assert record.actor.address == "testclient"
    assert record.request_id == answer.headers["X-Request-ID"]
    assert record.details == {"route": "GET unknown", "fault": "unknown-key"}


def test_what_a_role_does_not_allow_is_recorded_with_its_key(client: TestClient, jane: str) -> None:
    """A reviewer puts no legal hold on a job."""
    job_id = client.get("/v1/jobs", headers=SHOWN).json()["jobs"][0]["id"]

    answer = client.put(f"/v1/jobs/{job_id}/legal-hold", headers=show(jane))

    (record,) = search(client, AuditEvent.ACCESS_REFUSED)
    assert answer.status_code == 403
    assert (record.actor.person, record.actor.proof) == ("jane", f"key {jane[8:16]}")
    assert record.details == {"route": "PUT /v1/jobs/{job_id}/legal-hold", "fault": "not-allowed"}


def test_other_errors_leave_none(client: TestClient) -> None:
    """Whoever asks for what is not there is nobody's business."""
    client.get("/locked/404/Doe", headers=SHOWN)

    assert search(client, AuditEvent.LOGIN_FAILED) == []
    assert search(client, AuditEvent.ACCESS_REFUSED) == []


def test_what_a_request_does_is_its_users_doing(client: TestClient, jane: str) -> None:
    """By name, key, address and request."""
    job_id = client.get("/v1/jobs", headers=SHOWN).json()["jobs"][0]["id"]
    client.delete(f"/v1/jobs/{job_id}", headers={**show(jane), "X-Request-ID": "request-7"})

    (record,) = search(client, AuditEvent.JOB_CANCELLED)

    assert (record.actor.person, record.actor.proof) == ("jane", f"key {jane[8:16]}")
    assert record.actor.address == "testclient"
    assert (record.request_id, record.job_id) == ("request-7", job_id)


def test_an_upload_that_makes_no_job_leaves_a_record(client: TestClient) -> None:
    """With the name of the fault, and nothing of what was sent."""
    files = [("files", ("Doe.dcm", b"no DICOM at all"))]
    answer = client.post("/v1/jobs", files=files, headers=SHOWN)

    (record,) = search(client, AuditEvent.SERIES_IMPORTED)

    assert answer.status_code == 415
    assert record.outcome == 4
    assert record.details == {"state": "refused", "fault": "not-dicom"}
