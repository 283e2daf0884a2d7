"""Nothing of a patient is in logs, metrics, Redis, others' errors or names of files."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from contouring.phantom_shapes import Sphere
from tests.cli.shell import run
from tests.phantoms import SMALL_BALL, write_small_series
from tests.service.canaries import NAME, NUMBER, UID_ROOT, WORD, find_canaries, make_canary
from tests.service.conftest import Server, run_ready_server
from tests.service.dicomweb.bodies import MULTIPART, join_parts, store
from tests.service.dimse.peers import CT, associate, read_object
from tests.workers.processes import find_free_port, wait_until
from workers.jobs import TERMINAL

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


@dataclass
class Visit:
    """All that the patient's senders did, and what they were answered."""

    server: Server
    log: Path
    port: int
    states: dict[str, str] = field(default_factory=dict)
    others_errors: list[httpx.Response] = field(default_factory=list)


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


def write(folder: Path, number: int, shape: Sphere = SMALL_BALL) -> list[Path]:
    """A series of the patient's."""
    header = SeriesHeader(seed=f"canary-{number}")
    files = write_small_series(folder / f"{WORD}-{number}", shape=shape, header=header)
    return make_canary(files, number)


def send(visit: Visit, what: str, files: list[Path], **fields: str) -> httpx.Response:
    """By POST /v1/jobs; the job is followed to its end."""
    http = visit.server.http
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    answer = http.post(
        "/v1/jobs",
        files=parts,
        data={"model": "commissioning", **fields},
        headers={"X-Patient": WORD, "User-Agent": WORD, "Referer": f"http://x/{quote(NAME)}"},
    )
    if answer.is_success:
        job_id = answer.json()["jobs"][0]["id"]
        visit.states[what] = visit.server.wait_for(job_id, *TERMINAL)["state"]
    return answer


def upload(visit: Visit, folder: Path) -> None:
    """Jobs that end in every way, and requests that are refused."""
    http = visit.server.http
    good = write(folder, 1)
    send(visit, "good", good)
    send(visit, "partial", write(folder, 2), template="with-liver")
    send(visit, "failed", write(folder, 3, Sphere((3.3, -2.1, 0.7), 0.1)))
    truncated = write(folder, 4)
    dataset = pydicom.dcmread(truncated[3])
    dataset.PixelData = dataset.PixelData[:100]
    dataset.save_as(truncated[3])
    send(visit, "refused", truncated)
    refused = [
        send(visit, "gap", [*good[:5], *good[8:]]),
        send(visit, "not DICOM", [write_text(folder / f"{WORD}.txt")]),
        send(visit, "field", good[:1], **{WORD: NAME}),
        http.get(f"/v1/jobs/{WORD}"),
        http.get(f"/{WORD}/{quote(NAME)}"),
        http.get("/v1/jobs", params={"limit": NAME, "patient": WORD}),
        http.request(WORD, "/v1/jobs"),
        http.post("/v1/jobs", content=WORD.encode(), headers={"Content-Type": f"text/{WORD}"}),
    ]
    assert all(answer.status_code < 500 for answer in refused), refused
    assert not any(answer.is_success for answer in refused)
    with (
        suppress(httpx.HTTPError),
        http.stream(
            "POST", f"/v1/jobs?{WORD}", content=_break_off(), headers={"Content-Type": "text/plain"}
        ),
    ):
        pass


def deliver(visit: Visit, folder: Path) -> None:
    """By the rules: to a folder, and to an archive that is not there."""
    files = [("files", (file.name, file.read_bytes())) for file in write(folder, 8)]
    sent = visit.server.http.post("/v1/jobs", files=files).json()
    job_id = sent["jobs"][0]["id"]

    def has_been_tried() -> bool:
        shown = {one["destination"]: one for one in visit.server.show(job_id)["deliveries"]}
        is_near = shown.get("near", {}).get("state") == "delivered"
        return is_near and bool(shown.get("away", {}).get("error"))

    wait_until(has_been_tried, "a delivery and a try of one")


def write_text(path: Path) -> Path:
    """A file that is no DICOM."""
    path.write_text(NAME * 100)
    return path


def _break_off() -> Iterator[bytes]:
    yield WORD.encode() * 1000
    raise httpx.WriteError("the sender has gone")


def speak_dicomweb(visit: Visit, folder: Path) -> None:
    """STOW-RS, QIDO-RS and WADO-RS, good and bad."""
    http = visit.server.http
    files = write(folder, 5)
    contents = [file.read_bytes() for file in files]
    assert store(http, *contents).status_code == 200
    nameless = read_object(files[0], StudyInstanceUID=WORD)
    nameless.save_as(folder / "nameless.dcm")
    bodies = [
        join_parts((folder / "nameless.dcm").read_bytes()),
        join_parts(contents[0][:700], headers=f"Content-Location: {WORD}\r\n"),
        join_parts(NAME.encode(), headers=f"X-{WORD}: {NAME}\r\n"),
        WORD.encode(),
    ]
    for body in bodies:
        answer = http.post(
            f"/dicom-web/studies/{UID_ROOT}.6?{WORD}={NAME}",
            content=body,
            headers={"Content-Type": MULTIPART},
        )
        assert 400 <= answer.status_code < 500, answer.text
    study = f"/dicom-web/studies/{UID_ROOT}.5"
    for address in (
        f"/dicom-web/studies?PatientName={quote(NAME)}&includefield=PatientID",
        f"/dicom-web/studies?PatientID=*{WORD}*",
        f"/dicom-web/studies?{WORD}={WORD}",
        f"/dicom-web/instances?StudyInstanceUID={UID_ROOT}.5",
        f"/dicom-web/studies/{WORD}",
        f"{study}/metadata",
        f"{study}",
    ):
        assert http.get(address, headers={"Accept": "*/*"}).status_code < 500, address


def speak_dimse(visit: Visit, folder: Path) -> None:
    """C-STORE of good and bad objects, by names that are known and unknown."""
    files = write(folder, 7)

    def listens() -> bool:
        association = associate(visit.port)
        is_established = bool(association.is_established)
        association.release()
        return is_established

    wait_until(listens, "the node")
    assert not associate(visit.port, calling_ae=WORD, called_ae=WORD).is_established
    association = associate(visit.port, CT, calling_ae=WORD)
    assert association.is_established
    for file in files[:3]:
        assert association.send_c_store(pydicom.dcmread(file)).Status == 0
    bad = read_object(files[3], SeriesInstanceUID=WORD)
    assert association.send_c_store(bad).Status != 0
    association.abort()


def ask_as_another(visit: Visit) -> None:
    """Errors of requests that say nothing of the patient: their answers must not either."""
    http = visit.server.http
    jobs = http.get("/v1/jobs").json()["jobs"]
    for job in jobs:
        for method, what in (
            ("GET", "rtstruct"),
            ("GET", "segmentation"),
            ("GET", "preview.png"),
            ("GET", "rtstruct?template=no-such"),
            ("POST", "release"),
            ("POST", "retry?"),
            ("POST", "deliver?destination=none"),
        ):
            if method == "POST" and what.startswith("retry") and job["state"] != "done":
                continue  # it would run again
            if what == "release" and job["state"] == "partial":
                continue
            answer = http.request(method, f"/v1/jobs/{job['id']}/{what}")
            if answer.is_error:
                visit.others_errors.append(answer)
        answer = http.delete(f"/v1/jobs/{job['id']}")
        if answer.is_error:
            visit.others_errors.append(answer)


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
