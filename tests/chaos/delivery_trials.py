"""Results on their way to receivers that are dead, refuse, are overloaded, slow, or break off."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom

from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import write_patient
from tests.chaos.senders import set_up
from tests.chaos.site import Site, run_site
from tests.chaos.upload_trials import adopt
from tests.dicom_peers import Orthanc, run_orthanc, run_storescp
from tests.service.dicomweb.bodies import store as stow
from tests.workers.destinations.http_servers import HttpServer, Reply, run_http_server
from tests.workers.processes import find_free_port, wait_until
from workers.deliveries import Delivery, DeliveryState
from workers.outbox_store import OutboxStore

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 2.0
VAIN_TRIES = 2  # of each delivery, before its receiver is well again
STORESCPS: Mapping[str, tuple[str, ...]] = {
    "refusing": ("--refuse",),
    "breaking-off": ("--abort-after",),
    "slow": ("--sleep-during", "3"),
}
DEAD = ("dead-by-stow", "dead-by-store")
OVERLOADED, GONE = "overloaded", "gone"


@dataclass
class Receivers:
    """All of them, unwell until `heal`; `folder`: of what they keep."""

    folder: Path
    overloaded: HttpServer
    ports: dict[str, int] = field(default_factory=dict)
    orthanc: Orthanc | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def fall_ill(self) -> None:
        """Start those that are there, and are of no use."""
        self.overloaded.answer(Reply(503))
        self.ports = {name: find_free_port() for name in (*STORESCPS, "http", "dicom", GONE)}
        for name, options in STORESCPS.items():
            self._run(name, *options)

    def heal(self, uids: list[str]) -> None:
        """All but the one that is gone for good take all that comes; `uids`: what will come."""
        self._running.close()
        for name in STORESCPS:
            self._run(name)
        archive = run_orthanc(self.folder / "orthanc", self.ports["http"], self.ports["dicom"])
        self.orthanc = self._running.enter_context(archive)
        items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
        module = {"00081199": {"vr": "SQ", "Value": items}}
        self.overloaded.answer(Reply(200, json.dumps(module).encode()))

    def list_kept(self) -> dict[str, list[str]]:
        """SOP Instance UIDs that each has in the end, sorted."""
        assert self.orthanc is not None
        kept = {name: self._read(self.folder / name / "received") for name in STORESCPS}
        return {**kept, "orthanc": sorted(self.orthanc.list_instances())}

    def write_file(self) -> str:
        """The file of the destinations."""
        archive = f"http://127.0.0.1:{self.ports['http']}/dicom-web"
        entries: list[dict[str, Any]] = [
            {"name": DEAD[0], "kind": "stow", "url": archive},
            _describe_node(DEAD[1], self.ports["dicom"]),
            {"name": OVERLOADED, "kind": "stow", "url": self.overloaded.url},
            *(_describe_node(name, self.ports[name]) for name in (*STORESCPS, GONE)),
        ]
        common = {"allow_local": True, "timeout_seconds": 1}
        return json.dumps({"format": 1, "destinations": [{**one, **common} for one in entries]})

    def stop(self) -> None:
        """End them."""
        self._running.close()

    def _run(self, name: str, *options: str) -> None:
        receiver = run_storescp(self.folder / name, *options, port=self.ports[name])
        self._running.enter_context(receiver)

    def _read(self, folder: Path) -> list[str]:
        return sorted(str(pydicom.dcmread(file).SOPInstanceUID) for file in folder.iterdir())


def _describe_node(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "kind": "cstore", "host": "127.0.0.1", "port": port, "called_ae": "TPS"}


@contextmanager
def run_receivers(folder: Path) -> Iterator[Receivers]:
    """Receivers that are of no use yet."""
    with run_http_server() as overloaded:
        receivers = Receivers(folder, overloaded)
        try:
            receivers.fall_ill()
            yield receivers
        finally:
            receivers.stop()


@dataclass
class Watch:
    """Looks at deliveries; `pauses`: seconds from a try's begin to the next, by id and try."""

    outbox: OutboxStore
    job_ids: list[str]
    pauses: dict[tuple[str, int], float] = field(default_factory=dict)

    def look(self) -> list[Delivery]:
        """All deliveries as they stand, their pauses noted."""
        found = self.outbox.list_by_job(self.job_ids)
        deliveries = [one for each in found.values() for one in each]
        for one in deliveries:
            if one.next_try_at is not None and one.tried_at is not None:
                pause = (one.next_try_at - one.tried_at).total_seconds()
                self.pauses.setdefault((one.id, one.tries), pause)
        return deliveries

    def are_vain(self) -> bool:
        """Whether each was tried a few times, and none has arrived."""
        found = self.look()
        return bool(found) and all(one.tries > VAIN_TRIES for one in found)

    def have_ended(self) -> bool:
        """Whether each has arrived, or is given up."""
        ends = (DeliveryState.DELIVERED, DeliveryState.FAILED)
        return all(one.state in ends for one in self.look())

    def find_short(self) -> list[str]:
        """Pauses shorter than twice the one before, up to the longest."""
        return [
            f"{pause:.2f} s after try {tries}"
            for (_, tries), pause in self.pauses.items()
            if pause < 0.99 * min(FIRST_PAUSE_SECONDS * 2 ** (tries - 1), LONGEST_PAUSE_SECONDS)
        ]


def break_receivers(folder: Path, scale: Scale) -> list[Finding]:
    """Seven destinations at once: six get well after a while, one never does."""
    count, given_up_seconds = scale.pick(1, 5), scale.pick(10, 60)
    pauses = {
        "OARLOCK_DELIVERY_FIRST_PAUSE_SECONDS": str(FIRST_PAUSE_SECONDS),
        "OARLOCK_DELIVERY_LONGEST_PAUSE_SECONDS": str(LONGEST_PAUSE_SECONDS),
        "OARLOCK_DELIVERY_HOURS": str(given_up_seconds / 3600),
        "OARLOCK_COURIER_SECONDS": "0.1",
    }
    patients = [write_patient(folder / "patients", number) for number in range(count)]
    names = [*DEAD, OVERLOADED, *STORESCPS, GONE]
    rules = f"format: 1\ndefault: {{model: commissioning, destinations: [{', '.join(names)}]}}\n"
    with run_receivers(folder) as receivers:
        files = {"rules": rules, "destinations": receivers.write_file()}
        environment = set_up(folder, 1.0, files, **pauses)
        with run_site(folder / "site", workers=1, environment=environment) as site:
            for patient in patients:
                stow(site.http, *(file.read_bytes() for file in patient.files)).raise_for_status()
            wait_until(lambda: len(site.list_jobs()) == count, "the jobs")
            adopt(site, patients)
            site.wait_until_ended()
            uids = sorted(_read_uid(site, job_id) for job_id in site.acknowledged)
            watch = Watch(OutboxStore(site.engine), list(site.acknowledged))
            wait_until(watch.are_vain, "tries in vain")
            healed = time.monotonic()
            receivers.heal(uids)
            wait_until(lambda: _count(watch, DeliveryState.DELIVERED) == 6 * count, "deliveries")
            arrived = time.monotonic() - healed
            wait_until(watch.have_ended, "the last one to be given up")
            return [
                *_judge_ends(site, watch, count),
                *_judge_receivers(receivers, uids),
                time_within("from the receivers' return until all is there", [arrived], 100, 30.0),
                *judge(site),
            ]


def _judge_ends(site: Site, watch: Watch, count: int) -> list[Finding]:
    failed = {one.destination for one in watch.look() if one.state is DeliveryState.FAILED}
    health = site.http.get("/health/ready").json()
    metric = f'oarlock_deliveries{{state="failed"}} {count}.0'
    alarms = {
        "health": health["status"] == "degraded" and health["parts"]["deliveries"] != "ok",
        "metric": metric in site.http.get("/metrics").text,
        "log": site.parts["service"].log.read_text().count("ALARM") == count,
    }
    return [
        count_all("deliveries that arrived", _count(watch, DeliveryState.DELIVERED), 6 * count),
        Finding("destinations given up", ", ".join(failed), GONE, failed == {GONE}),
        count_none(
            "places that do not say so", [name for name, is_told in alarms.items() if not is_told]
        ),
        Finding("pauses looked at", str(len(watch.pauses)), "some", len(watch.pauses) > 0),
        count_none("pauses that did not grow", watch.find_short()),
    ]


def _judge_receivers(receivers: Receivers, uids: list[str]) -> list[Finding]:
    """Each has every structure set once; one that was asked often was always sent the same."""
    kept = receivers.list_kept()
    wrong = [name for name, found in kept.items() if found != uids]
    posted = [asked.body for asked in receivers.overloaded.asked if asked.method == "POST"]
    tries = [sum(uid.encode() in body for body in posted) for uid in uids]
    return [
        count_all(
            "receivers with one structure set of each job", len(kept) - len(wrong), len(kept)
        ),
        Finding(
            "tries at the overloaded one, each with the UID of its job",
            f"{sum(tries)} of {len(posted)}",
            "all",
            sum(tries) == len(posted) and min(tries) > VAIN_TRIES,
        ),
    ]


def _count(watch: Watch, state: DeliveryState) -> int:
    return sum(one.state is state for one in watch.look())


def _read_uid(site: Site, job_id: str) -> str:
    job = site.jobs.find(job_id)
    assert job.result_folder is not None
    file = site.data / "results" / job.result_folder / job.outputs[0].rtstruct
    return str(pydicom.dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
