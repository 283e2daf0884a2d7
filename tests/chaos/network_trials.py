"""DICOMweb and DIMSE while processes die, Redis is away, the disk is full, and many send."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import httpx

from tests.chaos.disk_trials import fill, small_disk
from tests.chaos.findings import Finding, Scale, count_all, count_none, time_within
from tests.chaos.object_oracle import judge_objects
from tests.chaos.oracle import judge
from tests.chaos.patients import write_patient
from tests.chaos.senders import (
    NODE,
    STORED,
    Ledger,
    associate,
    build_stow,
    copy_slice,
    read_patient,
    read_uid,
    set_up,
    store,
    stow,
)
from tests.chaos.site import Site, run_site
from tests.chaos.upload_trials import adopt, exchange_and_kill
from tests.judges import find_program
from tests.keys import SHOWN
from tests.workers.processes import wait_until

LATE_SECONDS = 0.6  # within this after the last byte of a request, the answer is on its way
NO_ROOM = 0xA700  # PS3.4 B.2.3
ASSOCIATIONS, CLIENTS = 25, 20
OBJECTS = 10  # of one request or association of the crowd
PATIENCE = ("-ta", "30", "-td", "30")  # seconds for an association, and for each answer


def cut_stow(folder: Path, scale: Scale) -> list[Finding]:
    """The service is killed at a random byte of a STOW-RS request, or just after the last one."""
    dice, rounds = scale.dice(), scale.pick(2, 100)
    ledger, answered = Ledger(), 0
    sent = [read_patient(write_patient(folder, n).files) for n in range(rounds)]
    with run_site(folder / "site", workers=0, environment=set_up(folder)) as site:
        stow(site.http, read_patient(write_patient(folder, rounds).files), ledger)
        for number, contents in enumerate(sent):
            ledger.note_sent(contents)
            request = build_stow(site, contents)
            cut = dice.randrange(len(request)) if number % 2 else len(request)
            wait = 0.0 if number % 2 else dice.uniform(0.0, LATE_SECONDS)
            head, body = exchange_and_kill(site, request[:cut], wait)
            if head.startswith(b"HTTP/1.1 20"):
                with suppress(ValueError):  # the answer itself was cut
                    ledger.note_stow(body)
                    answered += 1
            site.wait_until_ready()
        findings = judge_objects(site, ledger)
        refused = [n for n, one in enumerate(sent) if not stow(site.http, one, ledger).is_success]
        return [
            Finding("requests answered before the kill", f"{answered} of {rounds}", "any", True),
            *findings,
            count_none("requests refused when they were sent again", refused),
            count_all("objects then acknowledged", len(ledger.acknowledged), len(ledger.sent)),
        ]


def cut_store(folder: Path, scale: Scale) -> list[Finding]:
    """The DICOM node is killed while an association stores 20 objects."""
    dice, rounds = scale.dice(), scale.pick(2, 100)
    ledger, cut = Ledger(), 0
    with run_site(folder / "site", workers=0, environment=set_up(folder)) as site:
        sent = [read_patient(write_patient(folder, n).files) for n in range(rounds)]
        for contents in sent:
            wait_until(lambda: is_listening(site), "the node")
            last, starts = dice.randrange(len(contents)), site.parts["dimse"].starts
            with associate(site) as association:
                for number, content in enumerate(contents):
                    if number == last:
                        pause = dice.uniform(0.0, 0.02)
                        kill = site.parts["dimse"].signal
                        threading.Timer(pause, kill, [signal.SIGKILL]).start()
                    if store(association, content, ledger) is None:
                        cut += 1
                        break
            wait_until(lambda so_far=starts: site.parts["dimse"].starts > so_far, "the next node")
        wait_until(lambda: is_listening(site), "the node")
        findings = judge_objects(site, ledger)
        refused = store_all(site, sent, ledger)
        return [
            Finding("associations cut off", str(cut), "some", cut > 0),
            *findings,
            count_none("objects refused when they were sent again", refused),
            count_all("objects then acknowledged", len(ledger.acknowledged), len(ledger.sent)),
        ]


def store_all(site: Site, sent: Sequence[Sequence[bytes]], ledger: Ledger) -> list[str]:
    """C-STORE all of it; the statuses that are not success."""
    wait_until(lambda: is_listening(site), "the node")
    refused = []
    for contents in sent:
        with associate(site) as association:
            statuses = [store(association, one, ledger) for one in contents]
        refused += [str(status) for status in statuses if status != STORED]
    return refused


def is_listening(site: Site) -> bool:
    """Whether the DICOM node takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(site.environment["OARLOCK_DIMSE_PORT"]))) == 0


def lose_redis(folder: Path, scale: Scale) -> list[Finding]:
    """Redis is away while series come in by STOW-RS."""
    count, away_seconds = scale.pick(2, 10), scale.pick(2, 600)
    ledger, degraded = Ledger(), []
    patients = [write_patient(folder / "patients", number) for number in range(count)]
    with run_site(folder / "site", environment=set_up(folder, quiet_seconds=1.0)) as site:
        site.hold_down("redis")
        ends = time.monotonic() + away_seconds
        statuses = []
        for patient in patients:
            statuses.append(stow(site.http, read_patient(patient.files), ledger).status_code)
            degraded.append(site.http.get("/health/ready").json()["status"] == "degraded")
            time.sleep(away_seconds / count)
        wait_until(lambda: len(site.list_jobs()) == count, "the jobs")
        time.sleep(max(0.0, ends - time.monotonic()))
        waiting = site.count_open()
        returned = time.monotonic()
        site.let_up("redis")
        wait_until(lambda: site.count_open() < count, "work to go on")
        resumed = time.monotonic() - returned
        site.wait_until_ended()
        adopt(site, patients)
        return [
            count_all("series answered with 200", statuses.count(HTTPStatus.OK), count),
            count_all("times that the service said it was degraded", sum(degraded), count),
            count_all("jobs that waited for Redis", waiting, count),
            time_within("from Redis' return to the first job done", [resumed], 100, 30.0),
            *judge(site),
        ]


def fill_disk(folder: Path, scale: Scale) -> list[Finding]:
    """A data folder of 64 MiB is filled to the last bytes, and emptied again."""
    dice, rounds = scale.dice(), scale.pick(1, 6)
    data = folder / "site" / "data"
    data.mkdir(parents=True)
    ledger, back = Ledger(), []
    stowed: Counter[int | None] = Counter()
    stored: Counter[int | None] = Counter()
    patients = [read_patient(write_patient(folder, n).files) for n in range(5 * rounds)]
    with small_disk(data), run_site(folder / "site", 0, set_up(folder)) as site:
        wait_until(lambda: is_listening(site), "the node")
        for number in range(rounds):
            *first, last = patients[5 * number : 5 * (number + 1)]
            filler = fill(data, leave_bytes=dice.randrange(200_000))
            for contents in first[:2]:
                stowed[stow(site.http, contents, ledger).status_code] += 1
            for contents in first[2:]:
                with associate(site) as association:
                    stored.update(store(association, one, ledger) for one in contents)
            emptied = time.monotonic()
            filler.unlink()
            wait_until(lambda one=last: takes_again(site, one, ledger), "room")
            back.append(time.monotonic() - emptied)
        full = {HTTPStatus.INSUFFICIENT_STORAGE, HTTPStatus.CONFLICT, HTTPStatus.ACCEPTED}
        refused = sum(stowed[status] for status in full) * stored[NO_ROOM]
        told = f"STOW {show(stowed, 'd')}; C-STORE {show(stored, '04X')}"
        return [
            Finding("answers while it was full", told, "refusals of both", refused > 0),
            count_none("other answers to STOW", list(set(stowed) - full - {HTTPStatus.OK})),
            count_none("other answers to C-STORE", list(set(stored) - {STORED, NO_ROOM})),
            time_within("from room on the disk until both take series", back, 100, 30.0),
            *judge_objects(site, ledger),
        ]


def takes_again(site: Site, contents: Sequence[bytes], ledger: Ledger) -> bool:
    """Whether a series is taken both ways."""
    if stow(site.http, contents, ledger).status_code != HTTPStatus.OK:
        return False
    return store_all(site, [contents], ledger) == []


def show(counts: Mapping[int | None, int], form: str) -> str:
    """How often each answer came."""
    named = {one: "none" if one is None else format(one, form) for one in counts}
    return ", ".join(f"{named[one]} {count} times" for one, count in counts.items())


def crowd(folder: Path, scale: Scale) -> list[Finding]:
    """25 associations and 20 HTTP clients store new series all the time."""
    seconds = scale.pick(3, 300)
    ledgers = [Ledger() for _ in range(ASSOCIATIONS + CLIENTS)]
    faults: list[str] = []
    took: dict[Callable[..., list[str]], list[float]] = {send_by_store: [], send_by_stow: []}
    (pattern,) = read_patient(write_patient(folder, 0).files[:1])
    with run_site(folder / "site", workers=0, environment=set_up(folder)) as site:
        wait_until(lambda: is_listening(site), "the node")
        ends = time.monotonic() + seconds

        def send_on(number: int) -> None:
            ledger, turn = ledgers[number], 0
            while time.monotonic() < ends:
                contents = copy_slice(pattern, f"crowd {number} {turn}", OBJECTS)
                way = send_by_store if number < ASSOCIATIONS else send_by_stow
                started = time.monotonic()
                faults.extend(way(site, contents, ledger))
                took[way].append(time.monotonic() - started)
                turn += 1

        threads = [threading.Thread(target=send_on, args=[n]) for n in range(len(ledgers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = Ledger()
        for ledger in ledgers:
            whole.sent |= ledger.sent
            whole.acknowledged |= ledger.acknowledged
        count = len(whole.sent)
        return [
            Finding("objects sent", f"{count} in {seconds} s", "some", count > 0),
            count_none("errors", faults),
            time_within("an association of ten objects", took[send_by_store], 100, 30.0),
            time_within("a request of ten objects", took[send_by_stow], 100, 30.0),
            count_all("objects acknowledged", len(whole.acknowledged), count),
            *judge_objects(site, whole),
        ]


def send_by_stow(site: Site, contents: Sequence[bytes], ledger: Ledger) -> list[str]:
    """One request; what went wrong."""
    try:
        with httpx.Client(base_url=site.url, headers=SHOWN, timeout=60.0, trust_env=False) as http:
            answer = stow(http, contents, ledger)
    except httpx.TransportError as error:
        return [repr(error)]
    return [] if answer.status_code == HTTPStatus.OK else [f"HTTP {answer.status_code}"]


def send_by_store(site: Site, contents: Sequence[bytes], ledger: Ledger) -> list[str]:
    """One association of DCMTK; what went wrong."""
    ledger.note_sent(contents)
    port = site.environment["OARLOCK_DIMSE_PORT"]
    with tempfile.TemporaryDirectory(dir=site.folder) as folder:
        files = [Path(folder) / f"{number}.dcm" for number in range(len(contents))]
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
        sent = subprocess.run(
            [find_program("storescu"), "-v", *PATIENCE, "-aec", NODE, "127.0.0.1", port, *files],
            env={**os.environ, "TCP_NODELAY": "1"},  # without it DCMTK waits at every answer
            capture_output=True,
            text=True,
            check=False,
        )
    told = sent.stdout + sent.stderr
    stored = told.count("Received Store Response (Success)")
    if sent.returncode == 0 and stored == len(contents):
        ledger.acknowledged |= {read_uid(content) for content in contents}
        return []
    faults = [line for line in told.splitlines() if line.startswith(("E:", "F:"))]
    return [f"{stored} of {len(contents)} stored: {'; '.join(faults)}"]
