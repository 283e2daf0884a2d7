"""Nothing of a patient is in logs, metrics, Redis, others' errors or names of files."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.shell import run
from tests.service.canaries import NAME, NUMBER, UID_ROOT, WORD, find_canaries
from tests.service.conftest import run_ready_server
from tests.service.visits import Visit, ask_as_another, deliver, speak_dicomweb, speak_dimse, upload
from tests.workers.processes import find_free_port

LIVER = """
format: 1
name: with-liver
structures: [{source: Sphere30}, {source: Liver}]
"""
QUIET_SECONDS = 1
SOURCES = f"""
format: 1
unknown: accept
sources: [{{name: web, kind: stow, quiet_seconds: {QUIET_SECONDS}}}]
"""
DESTINATIONS = """
format: 1
destinations:
  - {name: away, kind: stow, url: "http://127.0.0.1:9/dicom-web", allow_local: true}
  - {name: near, kind: folder, path: PATH}
"""
RULES = f"""
format: 1
rules:
  - name: hers
    match: {{attribute: PatientName, contains: {NAME.split("^")[0]}}}
    model: commissioning
    destinations: [away, near]
"""
LOG_KEYS = {"time", "level", "logger", "process", "request", "message", "error"}


def test_the_forms_are_found_that_programs_write() -> None:
    """A search that finds nothing where there is something proves nothing."""
    for content in (
        f"name={quote(NAME)}&x",
        NAME.encode("utf-16-le"),
        b"Basic " + base64.b64encode(f"ab{WORD}:secret".encode()),
        f'{{"id": "{WORD.lower()}"}}',
        f"/studies/{UID_ROOT}.1",
        NAME.encode().hex(),
    ):
        assert find_canaries(content.encode() if isinstance(content, str) else content), content
    assert not find_canaries(b"Phantom^Oarlock, OARLOCK-PHANTOM")


@pytest.fixture(scope="module", params=["plain", "json"])
def visit(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visit]:
    """A whole server, after good, partial, failed and refused jobs of the patient's."""
    folder = tmp_path_factory.mktemp("visit")
    (folder / "templates").mkdir()
    (folder / "templates" / "with-liver.yaml").write_text(LIVER)
    (folder / "sources.yaml").write_text(SOURCES)
    (folder / "rules.yaml").write_text(RULES)
    (folder / "near").mkdir()
    destinations = DESTINATIONS.replace("PATH", str(folder / "near"))
    (folder / "destinations.yaml").write_text(destinations)
    port = find_free_port()
    environment = {
        "OARLOCK_LOG_FORMAT": request.param,
        "OARLOCK_DEFAULT_MODEL": "hn-oar",
        "OARLOCK_TEMPLATES": str(folder / "templates"),
        "OARLOCK_SOURCES": str(folder / "sources.yaml"),
        "OARLOCK_DESTINATIONS": str(folder / "destinations.yaml"),
        "OARLOCK_RULES": str(folder / "rules.yaml"),
        "OARLOCK_COURIER_SECONDS": "0.2",
        "OARLOCK_DIMSE_PORT": str(port),
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_UPLOAD_FILES": "60",
    }
    with run_ready_server(folder, environment) as server:
        visit = Visit(server, folder / "server.log", port)
        upload(visit, folder)
        deliver(visit, folder)
        speak_dicomweb(visit, folder)
        speak_dimse(visit, folder)
        ask_as_another(visit)
        yield visit


def test_the_patient_was_there(visit: Visit) -> None:
    """Otherwise nothing would be proved: jobs ended in each way, and the stores have the name."""
    wanted = {"good": "done", "partial": "partial", "failed": "failed", "refused": "refused"}

    contents = b"".join(path.read_bytes() for path in visit.server.data.glob("oarlock.sqlite*"))

    assert visit.states == wanted
    assert find_canaries(contents)
    assert len(visit.others_errors) > 10


def test_no_log_tells_of_the_patient(visit: Visit) -> None:
    """Of the service, the worker, the DICOM node and Redis."""
    logs = [visit.log, visit.server.data / "redis" / "redis.log"]

    assert {path.name: find_canaries(path.read_bytes()) for path in logs} == {
        "server.log": set(),
        "redis.log": set(),
    }
    text = visit.log.read_text()
    for logger in (
        "workers.courier",
        "workers.tasks",
        "service.dimse.session",
        "celery.worker",
        "uvicorn.error",
    ):
        assert logger in text


def test_lines_of_json_have_the_keys_that_are_allowed(visit: Visit) -> None:
    """Whoever collects them can rely on it."""
    lines = [line for line in visit.log.read_text().splitlines() if line.startswith("{")]

    assert all(json.loads(line).keys() <= LOG_KEYS for line in lines)
    assert lines or " INFO workers.tasks [" in visit.log.read_text()


def test_audit_records_have_the_study_and_no_word_of_the_patient(
    visit: Visit, tmp_path: Path
) -> None:
    """The title that a stranger called by is the stranger's: it stays."""
    exported = tmp_path / "records"
    done = run("audit", "export", exported, OARLOCK_DATA=str(visit.server.data))
    records = exported.read_text()
    for stranger in (WORD, f"dimse {WORD} 127.0.0.1"):
        assert f'"person": "{stranger}"' in records
        records = records.replace(f'"person": "{stranger}"', "")

    found = {form.partition(" ")[0] for form in find_canaries(records.encode())}

    assert done.returncode == 0, done.stderr
    assert found == {NUMBER}  # of the study's UID


def test_no_metric_tells_of_the_patient(visit: Visit) -> None:
    """Labels are patterns of routes and known methods."""
    metrics = visit.server.http.get("/metrics").content

    assert b"oarlock_http_requests_total" in metrics
    assert find_canaries(metrics) == set()


def test_redis_knows_job_ids_alone(visit: Visit) -> None:
    """Its whole memory, and its append-only file."""
    folder = visit.server.data / "redis"
    (socket,) = folder.glob("*.sock")
    subprocess.run(["redis-cli", "-s", socket, "SAVE"], check=True, capture_output=True)

    files = [path for path in folder.rglob("*") if path.is_file()]

    assert "dump.rdb" in {path.name for path in files}
    assert {path.name for path in files if find_canaries(path.read_bytes())} == set()


def test_no_error_tells_another_of_the_patient(visit: Visit) -> None:
    """Who asks by a job's id is told of the job."""
    told = {
        str(answer.request.url): find_canaries(answer.content + str(answer.headers).encode())
        for answer in visit.others_errors
    }

    assert {address: found for address, found in told.items() if found} == {}


def test_no_file_is_named_after_the_patient(visit: Visit) -> None:
    """A listing of a folder is read by many who may not open its files."""
    near = visit.server.data.parent / "near"
    places = (visit.server.data, near)
    names = [str(path.relative_to(place)) for place in places for path in place.rglob("*")]

    assert len(names) > 100
    assert list(near.iterdir())
    assert [name for name in names if find_canaries(name.encode())] == []
