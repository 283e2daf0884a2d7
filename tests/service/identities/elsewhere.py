"""A whole site whose workers stand elsewhere: its settings, its service and what it was sent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pydicom

from contouring.dicom_series import CTSeries, read_series
from service.identities.identity_key import make_key_file
from tests.dicom_peers import Orthanc
from tests.service.canaries import NAME
from tests.service.dicomweb.bodies import list_stored, store
from tests.service.dimse.peers import RunningNode
from tests.workers.processes import find_free_port, wait_until

RULES = f"""
format: 1
rules:
  - name: hers
    match: {{attribute: PatientName, contains: {NAME.split("^")[0]}}}
    model: commissioning
    templates: [with-segmentation]
    destinations: [planning, near, archive]
"""
TEMPLATE = "format: 1\nname: with-segmentation\nsegmentation: true\n"
DESTINATIONS = """
format: 1
destinations:
  - {name: planning, kind: cstore, host: 127.0.0.1, port: PORT, called_ae: TPS, allow_local: true}
  - {name: near, kind: folder, path: PATH}
  - {name: archive, kind: stow, url: ARCHIVE, allow_local: true}
"""
SOURCES = """
format: 1
unknown: accept
sources:
  - {name: web, kind: stow, quiet_seconds: 1}
  - {name: node, kind: dimse, quiet_seconds: 1}
  - {name: inbox, kind: folder, folder: INBOX, quiet_seconds: 1}
"""


@dataclass
class Elsewhere:
    """What was sent, by its way in, and who has what."""

    folder: Path
    http: httpx.Client
    node: RunningNode
    archive: Orthanc
    sent: dict[str, list[Path]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """All that the worker can read, but for its own log."""
        return self.folder / "data"

    def read_original(self, way: str) -> CTSeries:
        """The CT as its sender has it."""
        return read_series(self.sent[way][0].parent)

    def fetch(self, way: str, what: str) -> bytes:
        """A result of a job."""
        answer = self.http.get(f"/v1/jobs/{self.jobs[way]['id']}/{what}")
        assert answer.is_success, answer.text
        return answer.content


def build_settings(
    folder: Path, port: int, archive_url: str, redis_url: str
) -> tuple[dict[str, str], ...]:
    """What all processes have, and what the service's own have besides.

    `port`: of the planning system's C-STORE; `archive_url`: of the archive's DICOMweb.
    """
    templates = folder / "templates"
    templates.mkdir()
    (templates / "with-segmentation.yaml").write_text(TEMPLATE)
    for name in ("near", "inbox"):
        (folder / name).mkdir()
    places = {"PORT": str(port), "PATH": str(folder / "near"), "ARCHIVE": archive_url}
    written = {
        "destinations": _fill_in(DESTINATIONS, places),
        "rules": RULES,
        "sources": _fill_in(SOURCES, {"INBOX": str(folder / "inbox")}),
    }
    for name, text in written.items():
        (folder / f"{name}.yaml").write_text(text)
    key = folder / "identity.key"
    make_key_file(key)
    shared = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_REDIS_URL": redis_url,
        "OARLOCK_THREADS": "1",
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_TEMPLATES": str(templates),
    }
    own = {
        **{f"OARLOCK_{name.upper()}": str(folder / f"{name}.yaml") for name in written},
        "OARLOCK_DEIDENTIFY": "basic",
        "OARLOCK_IDENTITY_KEY_FILE": str(key),
        "OARLOCK_STAGING": str(folder / "staging"),
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_COURIER_SECONDS": "0.2",
    }
    return shared, own


def _fill_in(text: str, places: dict[str, str]) -> str:
    for word, place in places.items():
        text = text.replace(word, place)
    return text


@contextmanager
def run_service(environment: dict[str, str], log: Path, http: httpx.Client) -> Iterator[None]:
    """`oarlock service`, from when it answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "service"],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return http.get("/health/live").is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the service")
        yield
    finally:
        process.terminate()
        process.wait(30)


def send(site: Elsewhere) -> None:
    """The upload, the objects by STOW-RS, and what a share is given."""
    parts = [("files", (file.name, file.read_bytes())) for file in site.sent["upload"]]
    answer = site.http.post("/v1/jobs", files=parts)
    assert answer.is_success, answer.text
    contents = [file.read_bytes() for file in site.sent["stow"]]
    answer = store(site.http, *contents)
    assert answer.status_code == 200, answer.text
    uids = {str(pydicom.dcmread(file).SOPInstanceUID) for file in site.sent["stow"]}
    assert set(list_stored(answer)) == uids
    for file in site.sent["folder"]:
        shutil.copy(file, site.folder / "inbox")


def wait_for(site: Elsewhere, way: str) -> dict[str, Any]:
    """The job, once it is done and everywhere delivered."""
    uid = site.read_original(way).series_instance_uid

    def find() -> list[dict[str, Any]]:
        answer = site.http.get("/v1/jobs", params={"series_instance_uid": uid})
        return list(answer.json()["jobs"])

    def is_over() -> bool:
        found = find()
        return bool(found) and all(
            one["state"] == "delivered" for one in found[0]["deliveries"] or [{"state": ""}]
        )

    wait_until(is_over, f"the job of the {way}")
    (job,) = find()
    return job
