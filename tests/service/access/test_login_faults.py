"""Why somebody was not let in stands in the record, and nothing of what was shown."""

from __future__ import annotations

import base64

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from contouring.errors.login_faults import LoginFault
from service.access.roles import Role
from service.app import create_app
from tests.conftest import REPOSITORY
from tests.service.access.conftest import MakeKey, show
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditRecord
from workers.audit.events import AuditEvent
from workers.settings import Settings

UNKNOWN = "oarlock_abcdefgh" + "0" * 36


def search(database: Engine, event: AuditEvent) -> list[AuditRecord]:
    """Records of an event."""
    return list(AuditStore(database).search(AuditFilter(event=event)))


def show_basic(words: str) -> dict[str, str]:
    """What a browser sends."""
    return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        ({}, "nothing-shown"),
        ({"X-API-Key": "not-one"}, "unreadable"),
        ({"Authorization": "Digest a"}, "unreadable"),
        ({"Authorization": "Basic !"}, "unreadable"),
        (show_basic("no colon"), "unreadable"),
        (show(UNKNOWN), "unknown-key"),
        (show_basic(f"archive:{UNKNOWN}"), "unknown-key"),
        (show("a.b.c"), "no-tokens-here"),
    ],
)
def test_a_record_says_why_nobody_was_let_in(
    client: TestClient, database: Engine, shown: dict[str, str], fault: str
) -> None:
    """An administrator sees whether somebody guesses, or has forgotten to configure a key."""
    answer = client.get("/v1/jobs", headers=shown)

    (record,) = search(database, AuditEvent.LOGIN_FAILED)

    assert answer.status_code == 401
    assert record.details == {"route": "GET unknown", "fault": fault}
    assert not any(value and value in repr(record) for value in shown.values())


def test_bytes_that_are_no_text_are_a_login_that_failed(
    client: TestClient, database: Engine
) -> None:
    """Neither an error of the server's nor a try that nobody counts; and a probe answers."""
    shown = {"Authorization": b"Basic \xe9"}
    answers = [client.get(path, headers=shown) for path in ("/v1/jobs", "/health/live")]

    (record,) = search(database, AuditEvent.LOGIN_FAILED)

    assert [answer.status_code for answer in answers] == [401, 200]
    assert record.details["fault"] == "unreadable"


def test_of_a_key_that_was_one_the_record_has_the_id(
    client: TestClient, database: Engine, make_key: MakeKey, expired_key: str, revoked_key: str
) -> None:
    """Whose program must be told; of a key that was never right anybody may have made the id up."""
    named = make_key(Role.VIEWER, name="named")

    client.get("/v1/jobs", headers=show(revoked_key))
    client.get("/v1/jobs", headers=show(expired_key))
    client.get("/v1/jobs", headers=show_basic(f"other:{named}"))

    records = search(database, AuditEvent.LOGIN_FAILED)
    told = [(record.details["fault"], record.details["key"]) for record in records]
    keys = (revoked_key, expired_key, named)
    faults = ("revoked-key", "expired-key", "wrong-name")
    assert told == [(fault, key[8:16]) for fault, key in zip(faults, keys, strict=True)]
    assert not any(key in repr(records) for key in keys)


def test_too_many_failures_are_recorded_too(settings: Settings, database: Engine) -> None:
    """Beside what was wrong before; from then on nothing is said of the key."""
    few = settings.model_copy(update={"login_failures_per_minute": 2})
    with TestClient(create_app(few)) as client:
        statuses = [client.get("/v1/jobs", headers=show(UNKNOWN)).status_code for _ in range(3)]

    records = search(database, AuditEvent.LOGIN_FAILED)

    assert statuses == [401, 401, 429]
    faults = [record.details["fault"] for record in records]
    assert faults == ["unknown-key", "unknown-key", "too-many-requests"]
    assert {record.actor.person for record in records} == {"anonymous"}


def test_too_many_requests_of_somebody_are_recorded_as_theirs(
    settings: Settings, database: Engine, make_key: MakeKey
) -> None:
    """It is no failed login; and whoever probes with that key still sees no more than anybody."""
    few = settings.model_copy(update={"requests_per_minute": 1})
    key = make_key(Role.ADMINISTRATOR, name="busy")
    with TestClient(create_app(few)) as client:
        statuses = [client.get("/v1/jobs", headers=show(key)).status_code for _ in range(2)]
        probe = client.get("/health/ready", headers=show(key))

    (record,) = search(database, AuditEvent.ACCESS_REFUSED)

    assert statuses == [200, 429]
    assert (record.actor.person, record.details["fault"]) == ("busy", "too-many-requests")
    assert search(database, AuditEvent.LOGIN_FAILED) == []
    assert probe.json() == {"status": "ok", "parts": {}}


def test_the_page_has_every_fault() -> None:
    """Whoever reads records looks there."""
    page = (REPOSITORY / "docs" / "audit.md").read_text()

    assert [fault for fault in LoginFault if f"`{fault.value}`" not in page] == []
