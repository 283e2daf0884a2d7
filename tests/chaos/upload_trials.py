"""Uploads that are cut off, repeated, or sent while everything dies."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from service.client import RefusedRequestError
from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import Patient, write_patient
from tests.chaos.script import Script
from tests.chaos.site import QUICK, Site, run_site
from tests.workers.processes import wait_until
from workers.jobs import TERMINAL, JobState

ANSWER_SECONDS = 20.0
LATE_SECONDS = 0.4  # within this after the last byte, the answer is on its way
WORK_SECONDS = 1.0


def cut_uploads(folder: Path, scale: Scale) -> list[Finding]:
    """The service is killed at a random byte of an upload, or just after the last one."""
    dice, rounds = scale.dice(), scale.pick(4, 100)
    first, *patients = [write_patient(folder / "patients", n) for n in range(rounds + 1)]
    answered = 0
    with run_site(folder / "site", environment=QUICK) as site:
        site.send(first)  # on a slow machine it may be the only one that is answered
        site.parts["service"].signal(signal.SIGKILL)
        site.wait_until_ready()
        for number, patient in enumerate(patients):
            request = build_request(site, patient)
            # Every other one in the body; the rest while it is judged, stored and recorded.
            cut = dice.randrange(len(request)) if number % 2 else len(request)
            wait = 0.0 if number % 2 else dice.uniform(0.0, LATE_SECONDS)
            answered += send_and_kill(site, patient, request[:cut], wait)
            site.wait_until_ready()
        adopt(site, [first, *patients])
        site.wait_until_ended()
        listed = site.http.get("/v1/jobs", params={"limit": 200}).json()["jobs"]
        return [
            Finding("uploads answered before the kill", f"{answered} of {rounds}", "any", True),
            count_all("jobs listed, each of a whole series", len(listed), len(site.acknowledged)),
            *judge(site),
        ]


def build_request(site: Site, patient: Patient) -> bytes:
    """The whole upload as it goes over the wire."""
    files = [("files", (file.name, file.read_bytes())) for file in patient.files]
    request = site.http.build_request(
        "POST", "/v1/jobs", files=files, data={"model": "commissioning"}
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /v1/jobs HTTP/1.1\r\n{head}\r\n".encode() + request.read()


def send_and_kill(site: Site, patient: Patient, piece: bytes, wait_seconds: float) -> bool:
    """Send that much, kill the service after a while; whether it had acknowledged the job."""
    head, body = exchange_and_kill(site, piece, wait_seconds)
    if not head.startswith(b"HTTP/1.1 202"):
        return False
    with suppress(json.JSONDecodeError):  # the answer itself was cut
        (job,) = json.loads(body)["jobs"]
        site.acknowledged[job["id"]] = patient
        return True
    return False


def exchange_and_kill(site: Site, piece: bytes, wait_seconds: float) -> tuple[bytes, bytes]:
    """Send that much, kill the service after a while; head and body of what it answered."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), ANSWER_SECONDS) as connection:
        connection.sendall(piece)
        time.sleep(wait_seconds)
        site.parts["service"].signal(signal.SIGKILL)
        answer = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def adopt(site: Site, patients: Iterable[Patient]) -> None:
    """Jobs that the site has recorded, though nobody heard of it: they must be whole, too."""
    by_series = {str(patient.read().series_instance_uid): patient for patient in patients}
    for job in site.list_jobs():
        site.acknowledged.setdefault(job.id, by_series[job.series_instance_uid])


@contextmanager
def sending_on(site: Site, folder: Path, work_seconds: float) -> Iterator[None]:
    """Series come in all the time; at the end of the block the site is held to all it recorded.

    A refusal is an answer: what is not acknowledged is not promised.
    """
    sent: list[Patient] = []
    is_over = threading.Event()

    def send_on() -> None:
        while not is_over.wait(0.3):
            patient = write_patient(folder, len(sent), Script(work_seconds))
            sent.append(patient)
            with suppress(httpx.TransportError, RefusedRequestError):
                site.send(patient)

    sender = threading.Thread(target=send_on)
    sender.start()
    try:
        yield
    finally:
        is_over.set()
        sender.join()
    adopt(site, sent)
    site.wait_until_ended()


def kill_everything(folder: Path, scale: Scale) -> list[Finding]:
    """Redis, the service and every worker die at once, while series come in and jobs run."""
    dice, rounds = scale.dice(), scale.pick(1, 20)
    ready: list[float] = []
    with run_site(folder / "site", environment=QUICK) as site:
        with sending_on(site, folder / "patients", WORK_SECONDS):
            for _ in range(rounds):
                time.sleep(dice.uniform(2.0, 6.0))
                for part in site.parts.values():
                    part.signal(signal.SIGKILL)
                killed = time.monotonic()
                site.wait_until_ready()
                ready.append(time.monotonic() - killed)
        return [
            time_within("from the end of everything until it is ready", ready, 100, 20.0),
            *judge(site),
        ]


def send_the_same(folder: Path, scale: Scale) -> list[Finding]:
    """One series from twenty clients at once, then while it is run, and after."""
    rounds, clients = scale.pick(1, 5), 20
    with run_site(folder / "site", environment=QUICK) as site:
        faults: list[str] = []
        ids: list[set[str]] = []
        for number in range(rounds):
            patient = write_patient(folder, number, Script(WORK_SECONDS))

            def send(_: int, patient: Patient = patient) -> str:
                try:
                    return site.send(patient)
                except (httpx.TransportError, RefusedRequestError) as error:
                    faults.append(str(error))
                    return ""

            with ThreadPoolExecutor(clients) as pool:
                answers = set(pool.map(send, range(clients)))
            job_id = next(iter(answers))
            for states in ((JobState.RUNNING, *TERMINAL), TERMINAL):
                wait_until(lambda job=job_id, s=states: site.jobs.find(job).state in s, "the job")
                answers.add(send(0))
            ids.append(answers)
        several = [answers for answers in ids if len(answers) != 1]
        attempts = [job.attempt for job in site.list_jobs()]
        return [
            count_none("clients that were not answered with the job", faults),
            count_none("series answered with several jobs", several),
            count_all("jobs", len(site.list_jobs()), rounds),
            count_all("series stored", len(list((site.data / "series").iterdir())), rounds),
            count_all("attempts", sum(attempts), rounds),
            *judge(site),
        ]
