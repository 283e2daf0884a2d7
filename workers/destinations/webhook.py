"""A webhook: a signed notice about a job, without a word of the patient unless that is wanted."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workers.deliveries import Delivery, JobEvent
from workers.destinations.credentials import Secret
from workers.destinations.http_peer import HttpPeer, explain
from workers.job_store import read_clock
from workers.job_templates import read_templates
from workers.jobs import Job

PING = "ping"
SIGNATURE = "Oarlock-Signature"


@dataclass(frozen=True)
class Webhook:
    """A server that wants to know how jobs end; its URL is the peer's."""

    peer: HttpPeer
    secret: Secret
    patient_data: bool = False
    now: Callable[[], datetime] = read_clock

    def tell(self, delivery: Delivery, job: Job, deliveries: Iterable[Delivery]) -> str:
        """Tell of an event; tried again, it has the same idempotency key."""
        notice = build_notice(delivery, job, deliveries, self.patient_data)
        return self._post(delivery.id, notice)

    def probe(self) -> str:
        """Send an event `ping`, which is about nothing."""
        self._post(PING, {"format": 1, "event": PING})
        return "it took the event ping."

    def _post(self, key: str, notice: dict[str, Any]) -> str:
        body = json.dumps(notice, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            SIGNATURE: sign(body, self.secret.read(), self.now()),
        }
        answer = self.peer.ask("POST", "", headers, body)
        if not answer.is_success:
            raise explain(answer)
        return ""


def sign(body: bytes, secret: str, now: datetime) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds since 1970, a dot and the body."""
    seconds = int(now.timestamp())
    signed = f"{seconds}.".encode() + body
    return f"t={seconds},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


def build_notice(
    delivery: Delivery, job: Job, deliveries: Iterable[Delivery], patient_data: bool
) -> dict[str, Any]:
    """What is told about a job."""
    address = f"/v1/jobs/{job.id}"
    about = [one for one in deliveries if one.id == delivery.about]
    notice: dict[str, Any] = {
        "format": 1,
        "event": delivery.event or JobEvent.DONE,
        "job": {
            "id": job.id,
            "state": job.state,
            "rule": job.rule,
            "model": {"name": job.model_name, "checksum": job.model_checksum},
            "templates": [name for name, _ in read_templates(job.parameters)],
            "failure": job.failure.code if job.failure else None,
            "structures": [
                {
                    "template": one.template,
                    "name": one.name,
                    "status": one.status,
                    "volume_cm3": round(one.volume_cm3, 3),
                    "flags": [flag.name for flag in one.flags],
                }
                for one in job.structures
            ],
            "links": {"self": address, "report": f"{address}/report"},
        },
        "deliveries": [
            {"destination": one.destination, "template": one.template, "error": one.error}
            for one in about
        ],
    }
    if patient_data:
        notice["series"] = {
            "study_instance_uid": job.study_instance_uid,
            "series_instance_uid": job.series_instance_uid,
            "description": job.series_description,
        }
        notice["job"]["reason"] = job.failure.reason if job.failure else None
    return notice
