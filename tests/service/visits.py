"""All that a patient's senders do at a server, by each way in, well and badly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pydicom

from contouring.phantom_series import SeriesHeader
from contouring.phantom_shapes import Sphere
from tests.phantoms import SMALL_BALL, write_small_series
from tests.service.canaries import NAME, UID_ROOT, WORD, make_canary
from tests.service.conftest import Server
from tests.service.dicomweb.bodies import MULTIPART, join_parts, store
from tests.service.dimse.peers import CT, associate, read_object
from tests.workers.processes import wait_until
from workers.jobs import TERMINAL


@dataclass
class Visit:
    """All that the patient's senders did, and what they were answered."""

    server: Server
    log: Path
    port: int
    states: dict[str, str] = field(default_factory=dict)
    others_errors: list[httpx.Response] = field(default_factory=list)


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
