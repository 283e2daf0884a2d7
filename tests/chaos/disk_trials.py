"""A disk that is full, calls to it that fail, and the order in which it is written."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx

from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import Patient, write_patient
from tests.chaos.script import Script
from tests.chaos.site import QUICK, Site, run_site
from tests.workers.processes import wait_until

DISK_MEBIBYTES = 64
CALLS = {"fsync": ("EIO",), "fdatasync": ("EIO",), "rename": ("EIO",), "pwrite64": ("ENOSPC",)}
ATTACH_SECONDS = 20.0
STAGED = "/data/staging/"
DURABLE = ("/data/staging", "/data/series", "oarlock.sqlite-wal")
# One line of `strace -y`: the calls in the order in which they returned.
CALL = re.compile(r"(?:\[pid +\d+\] |^\d+ +)?(\w+)\((.*)")


def fill_disk(folder: Path, scale: Scale) -> list[Finding]:
    """A data folder of 64 MiB is filled to the last bytes, and emptied again."""
    dice, rounds = scale.dice(), scale.pick(1, 6)
    data = folder / "site" / "data"
    data.mkdir(parents=True)
    numbers = itertools.count()
    statuses: Counter[int] = Counter()
    back: list[float] = []
    with small_disk(data), run_site(folder / "site", workers=1, environment=QUICK) as site:
        for _ in range(rounds):
            site.send(write_patient(folder, next(numbers), Script(1.0)))
            filler = fill(data, leave_bytes=dice.randrange(200_000))
            for _ in range(3):
                statuses[try_sending(site, write_patient(folder, next(numbers)))] += 1
            emptied = time.monotonic()
            filler.unlink()
            last = write_patient(folder, next(numbers))
            wait_until(lambda one=last: try_sending(site, one) == HTTPStatus.ACCEPTED, "room")
            back.append(time.monotonic() - emptied)
            site.wait_until_ended()
        allowed = {HTTPStatus.ACCEPTED, HTTPStatus.INSUFFICIENT_STORAGE}
        others = sorted(set(statuses) - allowed)
        refused = statuses[HTTPStatus.INSUFFICIENT_STORAGE]
        return [
            Finding("uploads refused with 507", str(refused), "at least 1", refused > 0),
            count_none("other answers", others),
            time_within("from room on the disk to an accepted upload", back, 100, 30.0),
            *judge(site),
        ]


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own, in memory."""
    size = f"size={DISK_MEBIBYTES}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave_bytes: int) -> Path:
    """A file that takes all there is, but for so much."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(2**20)):
                pass
        except OSError:
            end = file.seek(0, 2)
            file.truncate(max(0, end - leave_bytes))
    return filler


def try_sending(site: Site, patient: Patient) -> int:
    """The status of the answer, with the job noted if it was acknowledged."""
    files = [("files", (file.name, file.read_bytes())) for file in patient.files]
    answer = site.http.post("/v1/jobs", files=files, data={"model": "commissioning"})
    if answer.is_success:
        (job,) = answer.json()["jobs"]
        site.acknowledged[job["id"]] = patient
    return answer.status_code


def fail_calls(folder: Path, scale: Scale) -> list[Finding]:
    """The Nth fsync, rename or write of a thread fails, for one N after another."""
    trials = [
        (call, error, nth)
        for call, errors in CALLS.items()
        for error in errors
        for nth in range(1, scale.pick(1, 20) + 1)
    ]
    met, ignored, gone, lasting = 0, [], [], []
    with run_site(folder / "site", environment=QUICK) as site:
        main = site.parts["service"].process_id
        for number, (call, error, nth) in enumerate(trials):
            patient = write_patient(folder, number)
            log = folder / f"strace-{number}"
            with strace(main, f"inject={call}:error={error}:when={nth}", log):
                status = try_sending(site, patient)
            failed = [line for line in log.read_text().splitlines() if "(INJECTED)" in line]
            met += bool(failed)
            if status == HTTPStatus.ACCEPTED:
                ignored += [line for line in failed if any(path in line for path in DURABLE)]
            if site.parts["service"].process_id != main:
                gone.append(f"{call} {error} {nth}")
            try:
                if try_sending(site, patient) != HTTPStatus.ACCEPTED:
                    lasting.append(f"{call} {error} {nth}")
            except httpx.TransportError as failure:
                lasting.append(f"{call} {error} {nth}: {failure}")
        site.wait_until_ended()
        return [
            Finding("uploads that met an error", f"{met} of {len(trials)}", "some", met > 0),
            count_none("errors of durable files that were answered with success", ignored),
            count_none("errors that ended the service", gone),
            count_none("series that could not be sent again afterwards", lasting),
            *judge(site),
        ]


def watch_order(folder: Path, scale: Scale) -> list[Finding]:
    """Files synced, renamed, their folder synced, the row committed: then the answer."""
    count = scale.pick(3, 50)
    wrong = []
    with run_site(folder / "site", environment=QUICK) as site:
        main = site.parts["service"].process_id
        for number in range(count):
            patient = write_patient(folder, number)
            log = folder / f"order-{number}"
            watched = "trace=fsync,fdatasync,rename,renameat,renameat2,sendto"
            with strace(main, watched, log):
                site.send(patient)
            fault = find_disorder(log.read_text(), len(patient.files))
            if fault:
                wrong.append(f"upload {number}: {fault}")
        site.wait_until_ended()
        return [
            count_all(
                "uploads stored in order before they were answered", count - len(wrong), count
            ),
            count_none("what was out of order", wrong),
            *judge(site),
        ]


def find_disorder(trace: str, files: int) -> str:
    """What one upload's calls did out of order; nothing if all is well."""
    calls = [match.groups() for line in trace.splitlines() if (match := CALL.match(line))]
    answered = _find(calls, "sendto", "HTTP/1.1 202")
    published = _find(calls, "rename", "/data/series/")
    if answered is None or published is None:
        return "no answer or no rename was seen"
    synced = {
        rest.split(">")[0] for name, rest in calls[:published] if name == "fsync" and STAGED in rest
    }
    if len(synced) < files + 1:  # each file, and the folder that holds them
        return f"{len(synced)} of {files} files and their folder were synced before the rename"
    after = calls[published:answered]
    folder = _find(after, "fsync", "/data/series>")
    if folder is None:
        return "the folder was not synced after the rename"
    if _find(after[folder:], "fdatasync", "oarlock.sqlite-wal") is None:
        return "the row was not on the disk before the answer"
    return ""


def _find(calls: list[tuple[str, ...]], name: str, words: str) -> int | None:
    return next(
        (
            place
            for place, (called, rest) in enumerate(calls)
            if called.startswith(name) and words in rest
        ),
        None,
    )


@contextmanager
def strace(process_id: int, expression: str, log: Path) -> Iterator[None]:
    """The process and its threads under strace, for the length of the block."""
    command = ["strace", "-f", "-y", "-s", "64", "-o", str(log), "-e", expression]
    tracer = subprocess.Popen([*command, "-p", str(process_id)], stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait(ATTACH_SECONDS)
