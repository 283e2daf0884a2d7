"""A whole server's records: who did what, by HTTP, DICOMweb, DIMSE and the command line."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.cli.shell import run
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.service.conftest import Server, run_ready_server
from tests.service.dicomweb.bodies import store
from tests.service.dimse.peers import associate
from tests.workers.audit.collectors import SyslogServer, run_syslog_server
from tests.workers.processes import find_free_port, wait_until
from workers.jobs import TERMINAL

SOURCES = """
format: 1
unknown: refuse
sources: [{name: scanner, kind: dimse, calling_ae: SCANNER}]
"""


@dataclass(frozen=True)
class Site:
    """A server that has done some work and stopped, and what its collector was sent."""

    data: Path
    job_id: str
    collector: SyslogServer

    def audit(self, *arguments: str) -> Any:
        """`oarlock audit` over the server's database."""
        return run("audit", *arguments, OARLOCK_DATA=str(self.data))

    def search(self, *arguments: str) -> list[dict[str, Any]]:
        """Records that the command shows."""
        found = self.audit("search", "--json", *arguments)
        assert found.returncode == 0, found.stderr
        return [json.loads(line) for line in found.stdout.splitlines()]

    def find(self, event: str) -> list[dict[str, Any]]:
        """Records of an event."""
        return self.search("--event", event)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One visit, whose records every test looks at."""
    folder = tmp_path_factory.mktemp("audited")
    (folder / "sources.yaml").write_text(SOURCES)
    rules = folder / "rules.yaml"
    rules.write_text("format: 1\nrules: []\n")
    port = find_free_port()
    with run_syslog_server() as collector:
        environment = {
            "OARLOCK_SOURCES": str(folder / "sources.yaml"),
            "OARLOCK_RULES": str(rules),
            "OARLOCK_DIMSE_PORT": str(port),
            "OARLOCK_RESERVE_BYTES": "0",
            "OARLOCK_STOP_SECONDS": "15",  # for the worker to say that it stops
            "OARLOCK_AUDIT_COLLECTOR": f"tcp://127.0.0.1:{collector.port}",
        }
        with run_ready_server(folder, environment) as server:
            job_id = use(server, write_small_series(folder / "ct"))
            wait_until(lambda: refuses(port), "the node's refusal")
            rules.write_text("format: 1\nrules: []\n# again\n")
            wait_until(lambda: has_changed(server, collector), "the change of the rules")
        # Of the service; worker and node stop after it, and theirs are sent at its next start.
        wait_until(lambda: count(collector, b"stopped") >= 1, "its last record")
        yield Site(server.data, job_id, collector)


def use(server: Server, files: list[Path]) -> str:
    """A job that is sent, followed, looked at and fetched."""
    http = server.http
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    named = {"X-Request-ID": "visit-1"}
    asked = {"model": "commissioning"}
    sent = http.post("/v1/jobs", files=parts, data=asked, headers=named).json()
    job_id = str(sent["jobs"][0]["id"])
    job = server.wait_for(job_id, *TERMINAL)
    study = job["series"]["study_instance_uid"]
    for address in (
        f"/v1/jobs/{job_id}/report",
        f"/v1/jobs/{job_id}/preview.png",
        f"/v1/jobs/{job_id}/rtstruct",
        "/dicom-web/studies?PatientName=Secret*",
        f"/dicom-web/studies/{study}",
        f"/dicom-web/studies/{study}/metadata",
    ):
        answer = http.get(address, headers={"Accept": "*/*"})
        assert answer.is_success or answer.status_code == 204, (address, answer.text)
    assert store(http, files[0].read_bytes()).status_code == 403  # no source of this address
    http.put(f"/v1/jobs/{job_id}/legal-hold")
    return job_id


def refuses(port: int) -> bool:
    """Whether the node listens, and rejects a stranger."""
    return bool(associate(port, calling_ae="STRANGER").is_rejected)


def has_changed(server: Server, collector: SyslogServer) -> bool:
    """Whether a second record of the configuration has come; rules are read when they are shown."""
    server.http.get("/v1/rules")
    return count(collector, b"configuration-changed") > 1


def count(collector: SyslogServer, event: bytes) -> int:
    """Messages of an event."""
    return sum(b'csd-code="' + event + b'"' in message for message in collector.messages)


def test_each_thing_that_was_done_has_one_record(site: Site) -> None:
    """Also what only looks; polling the job's state is none of it."""
    wanted = {
        "series-imported": 1,
        "job-made": 1,
        "result-made": 1,
        "result-viewed": 2,
        "result-exported": 1,
        "objects-searched": 1,
        "objects-leaving": 1,
        "objects-sent": 1,
        "objects-viewed": 1,
        "access-refused": 1,
        "login-failed": 0,
        "key-made": 1,
        "job-held": 1,
        "configuration-changed": 2,
    }
    records = site.search()

    found = {event: sum(one["event"] == event for one in records) for event in wanted}

    assert found == wanted
    mine = {one["event"] for one in site.search("--job", site.job_id)}
    assert mine == {"job-made", "result-made", "result-viewed", "result-exported", "job-held"}


def test_service_worker_and_node_say_that_they_start_and_stop(site: Site) -> None:
    """Whoever is killed says nothing, and whoever looks sees a start after a start."""
    started, stopped = (
        {record["process"].partition("@")[0] for record in site.find(event)}
        for event in ("started", "stopped")
    )

    assert started == {"service", "worker", "dimse"}
    # What does not stop in its time is killed, which a slow machine does to the others.
    assert {"service"} <= stopped <= started


def test_a_record_names_who_asked_from_where(site: Site) -> None:
    """By the key's name and the client's address; a stranger by what it calls itself."""
    (exported,) = site.find("result-exported")
    refused = site.find("node-refused")
    (made,) = site.find("result-made")

    assert (exported["person"], exported["address"]) == ("first", "127.0.0.1")
    assert exported["proof"] == f"key {KEY[8:16]}"
    assert {(one["person"], one["address"]) for one in refused} == {("STRANGER", "127.0.0.1")}
    assert refused[0]["details"]["reason"] == "1,1,3"
    assert (made["person"], made["process"].partition("@")[0]) == ("", "worker")


def test_what_is_made_of_an_upload_names_its_request(site: Site) -> None:
    """Also by the worker, for the job keeps the id; what nobody asked for names none."""
    events = ("series-imported", "job-made", "result-made")
    requests = [one["request"] for event in events for one in site.find(event)]

    assert requests == ["visit-1"] * len(events)
    assert {one["request"] for one in site.find("started")} == {""}


def test_a_search_is_told_without_its_values(site: Site) -> None:
    """The name that somebody searched for is a patient's."""
    (searched,) = site.find("objects-searched")

    assert searched["details"] == {"attributes": "PatientName", "what": "study", "hits": 0}
    assert "Secret" not in str(site.search())


def test_a_change_of_the_rules_is_told_while_the_server_runs(site: Site) -> None:
    """The first record has every part, the second what has changed."""
    first, second = site.find("configuration-changed")

    assert first["details"]["changed"].startswith("settings,rules")
    assert second["details"]["changed"] == "rules"


def test_the_collector_got_every_record_in_order(site: Site) -> None:
    """Each once, valid by the schema, as the chain has them."""
    schema = etree.RelaxNG(
        etree.parse(Path(__file__).parents[1] / "workers" / "audit" / "audit_message.rng")
    )
    messages = [message.partition(b"\xef\xbb\xbf")[2] for message in site.collector.messages]

    for message in messages:
        schema.assertValid(etree.fromstring(message))
    numbers = [
        int(message.partition(b'sequenceId="')[2].partition(b'"')[0])
        for message in site.collector.messages
    ]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_chain_is_verified_and_a_change_is_found(site: Site, tmp_path: Path) -> None:
    """The exit code tells a script, the words a person where to look."""
    whole = site.audit("verify")
    head = whole.stdout.split()[-1]
    kept = site.audit("verify", "--head", head)
    forged = site.audit("verify", "--head", head[:-4] + "beef")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in site.data.glob("oarlock.sqlite*"):
        (copy / file.name).write_bytes(file.read_bytes())
    _execute(copy / "oarlock.sqlite", "DELETE FROM audit_records WHERE number = 3")
    broken = run("audit", "verify", OARLOCK_DATA=str(copy))

    assert whole.returncode == 0, whole.stderr
    assert kept.returncode == 0, kept.stderr
    assert (forged.returncode, broken.returncode) == (1, 1)
    assert "whose hash was kept elsewhere" in forged.stderr
    assert "record 3 is missing" in broken.stderr


def test_records_are_exported_and_that_is_recorded(site: Site, tmp_path: Path) -> None:
    """By the user of the machine."""
    as_json, as_xml = tmp_path / "records.jsonl", tmp_path / "messages.xml"
    first = site.audit("export", str(as_json), "--job", site.job_id)
    second = site.audit("export", str(as_xml), "--job", site.job_id, "--format", "messages")
    used = site.find("audit-used")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    told = [json.loads(line) for line in as_json.read_text().splitlines()]
    assert {one["job"] for one in told} == {site.job_id}
    assert len(as_xml.read_bytes().splitlines()) == len(told)
    assert used[-2]["details"] == {"what": "export"}
    assert used[-1]["process"].startswith("cli@")
    assert used[-1]["person"]


def test_a_patient_is_found_by_the_id(site: Site) -> None:
    """All that was done to the study is found, and the ID itself stands nowhere."""
    found = {one["event"] for one in site.search("--patient", "OARLOCK-PHANTOM")}
    nobody = site.search("--patient", "SOMEBODY-ELSE")

    assert {"series-imported", "job-made", "result-exported", "objects-sent"} <= found
    assert nobody == []
    assert "OARLOCK-PHANTOM" not in str(site.search())


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """An empty chain would be found whole."""
    refused = run("audit", "verify", OARLOCK_DATA=str(tmp_path / "nowhere"))

    assert refused.returncode == 2
    assert "There is no database" in refused.stderr
    assert os.listdir(tmp_path) == []


def _execute(database: Path, statement: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(statement)
