"""A webhook is told how a job ended: signed, once, and without the patient."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contouring.errors import DeliveryError
from contouring.notices import Notice
from contouring.structures import Status
from tests.workers.deliveries import HOOK, finish, plan_job
from tests.workers.destinations.http_servers import HttpServer, Reply
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.deliveries import Delivery
from workers.destinations.credentials import Secret
from workers.destinations.webhook import SIGNATURE, Webhook, build_notice
from workers.job_store import JobStore
from workers.jobs import Failure, Job, NewJob, StructureRecord
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
CANARY = "CANARY"
KEY = "a shared secret"


@pytest.fixture
def told(tmp_path: Path, new_job: Callable[..., NewJob]) -> tuple[Job, Delivery]:
    """A finished job, and the news of it."""
    engine = open_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    migrate(engine)
    leases = LeaseStore(engine, lease_seconds=600.0, limits=AttemptLimits())
    new = replace(plan_job(new_job, HOOK), series_description=CANARY, rule="head and neck")
    job = finish(JobStore(engine), leases, new)
    delivery = OutboxStore(engine).claim_due()
    assert delivery is not None
    flag = Notice("unusual-volume", "The organ is large.")
    cord = StructureRecord(
        "generic", "Cord", "SpinalCord", Status.CONTOURED, "", 12.34567, 5, 5, (flag,)
    )
    return replace(job, structures=(cord,)), delivery


@pytest.fixture
def webhook(http_server: HttpServer, tmp_path: Path) -> Webhook:
    """The server as a destination."""
    secret = tmp_path / "secret"
    secret.write_text(f"{KEY}\n")
    return Webhook(http_server.peer, Secret(secret), now=lambda: NOW)


def test_it_is_told_of_the_job_and_its_structures(
    webhook: Webhook, http_server: HttpServer, told: tuple[Job, Delivery]
) -> None:
    """All that a dashboard needs, and where to read on."""
    job, delivery = told

    webhook.tell(delivery, job, [delivery])

    (asked,) = http_server.asked
    notice = json.loads(asked.body)
    assert (asked.method, asked.headers["Content-Type"]) == ("POST", "application/json")
    assert (notice["event"], notice["job"]["state"]) == ("done", "done")
    assert (notice["job"]["id"], notice["job"]["rule"]) == (job.id, "head and neck")
    assert notice["job"]["structures"] == [
        {
            "template": "generic",
            "name": "Cord",
            "status": "contoured",
            "volume_cm3": 12.346,
            "flags": ["unusual-volume"],
        }
    ]
    assert notice["job"]["links"]["report"] == f"/v1/jobs/{job.id}/report"


def test_its_signature_can_be_verified_as_the_manual_says(
    webhook: Webhook, http_server: HttpServer, told: tuple[Job, Delivery]
) -> None:
    """HMAC-SHA256 over time, dot and body."""
    job, delivery = told

    webhook.tell(delivery, job, [delivery])

    (asked,) = http_server.asked
    match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", asked.headers[SIGNATURE])
    assert match is not None
    assert int(match[1]) == NOW.timestamp()
    signed = f"{match[1]}.".encode() + asked.body
    assert hmac.compare_digest(match[2], hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest())


def test_a_second_try_has_the_same_key_and_body(
    webhook: Webhook, http_server: HttpServer, told: tuple[Job, Delivery]
) -> None:
    """A receiver that has seen it leaves it at that."""
    job, delivery = told
    http_server.answer(Reply(503), Reply(200))

    with pytest.raises(DeliveryError, match="HTTP 503"):
        webhook.tell(delivery, job, [delivery])
    webhook.tell(delivery, job, [delivery])

    first, second = http_server.asked
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == delivery.id
    assert first.body == second.body


def test_nothing_of_the_patient_is_told(told: tuple[Job, Delivery]) -> None:
    """Not its series' description, nor UIDs that a PACS could be asked for, nor reasons."""
    job, delivery = told
    failed = replace(job, failure=Failure("missing-slice", f"{CANARY} has no slice 7."))

    text = json.dumps(build_notice(delivery, failed, [delivery], patient_data=False))

    assert CANARY not in text
    assert job.study_instance_uid not in text
    assert '"failure": "missing-slice"' in text


def test_the_series_is_told_where_the_administrator_wants_it(told: tuple[Job, Delivery]) -> None:
    """A receiver inside the hospital may need to find it."""
    job, delivery = told

    notice = build_notice(delivery, job, [delivery], patient_data=True)

    assert notice["series"]["series_instance_uid"] == job.series_instance_uid
    assert notice["series"]["description"] == CANARY


def test_a_failed_delivery_is_told_with_its_destination(told: tuple[Job, Delivery]) -> None:
    """And not with any other that stands well."""
    job, delivery = told
    failed = replace(delivery, id="the failed", destination="pacs", template="generic", error="503")
    news = replace(delivery, about="the failed")

    notice = build_notice(news, job, [delivery, failed], patient_data=False)

    assert notice["deliveries"] == [{"destination": "pacs", "template": "generic", "error": "503"}]


def test_a_ping_is_signed_too(webhook: Webhook, http_server: HttpServer) -> None:
    """The administrator tries the secret with it."""
    found = webhook.probe()

    (asked,) = http_server.asked
    assert found == "it took the event ping."
    assert json.loads(asked.body) == {"format": 1, "event": "ping"}
    assert asked.headers[SIGNATURE].startswith("t=")
