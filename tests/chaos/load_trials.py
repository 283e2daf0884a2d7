"""Many jobs, many clients, large series: how long answers take, and how much memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from hashlib import sha256
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader
from service.client import Client
from tests.chaos.findings import Finding, Scale, count_none, time_within
from tests.chaos.oracle import judge
from tests.chaos.patients import CANARY, Patient, write_patient
from tests.chaos.site import QUICK, Part, Site, run_site
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.workers.processes import find_children
from workers.jobs import JobState

MEBIBYTE = 2**20
CLIENTS = 20
LOOKS = 200
FEW_SLICES = Scan(
    rows=64,
    columns=64,
    row_spacing_mm=1.0,
    column_spacing_mm=1.0,
    slice_offsets_mm=even_offsets(10, 5.0),
)
SIDE = 512  # rows and columns, as scanners send them


def queue_deep(folder: Path, scale: Scale) -> list[Finding]:
    """A thousand jobs wait while twenty clients send and ask."""
    count = scale.pick(12, 1000)
    patients = [write_patient(folder, number, scan=FEW_SLICES) for number in range(count)]
    faults: list[str] = []
    with run_site(folder / "site", environment=QUICK) as site:
        for worker in site.workers:
            site.hold_down(worker.name)
        site.send(patients[0])
        before = measure_memory(site.parts["service"])

        def send(patient: Patient) -> float:
            return measure(lambda: site.send(patient), faults)

        with ThreadPoolExecutor(CLIENTS) as pool:
            sent = list(pool.map(send, patients[1:]))
        newest = list(site.acknowledged)[-1]
        shown = [measure(lambda: look(site, f"/v1/jobs/{newest}"), faults) for _ in range(LOOKS)]
        listed = [measure(lambda: look(site, "/v1/jobs"), faults) for _ in range(LOOKS)]
        urgent = write_patient(folder, count, scan=FEW_SLICES)
        urgent_id = send_urgent(site, urgent)
        for worker in site.workers[:1]:
            site.let_up(worker.name)
        while (started := [job for job in site.list_jobs() if job.attempt]) == []:
            time.sleep(0.02)
        for worker in site.workers:
            site.let_up(worker.name)
        site.wait_until_ended()
        grown = measure_memory(site.parts["service"]) - before
        return [
            count_none("requests that failed", faults),
            time_within("an upload, twenty at a time", sent, 95, 5.0),
            time_within("the status of a job", shown, 95, 0.2),
            time_within("the list of jobs", listed, 95, 0.2),
            Finding(
                "the urgent job's turn, sent last",
                "first" if [job.id for job in started] == [urgent_id] else "later",
                "first",
                [job.id for job in started] == [urgent_id],
            ),
            _within_mebibytes("growth of the service's memory", grown, 300),
            *judge(site),
        ]


def send_large(folder: Path, scale: Scale) -> list[Finding]:
    """Series of 512 x 512 slices: one of 200, and one of a gigabyte."""
    slices = scale.pick(20, 200)
    usual = [write_large_patient(folder, number, slices) for number in range(scale.pick(1, 5))]
    largest = write_large_patient(folder, len(usual), scale.pick(60, 2000))
    faults: list[str] = []
    with run_site(folder / "site", workers=0, environment=QUICK) as site:
        site.send(write_patient(folder / "first", 99))
        times = [measure(lambda one=patient: site.send(one), faults) for patient in usual]
        before = measure_memory(site.parts["service"])
        took = measure(lambda: site.send(largest), faults)
        grown = measure_memory(site.parts["service"], at_most=True) - before
        size = sum(file.stat().st_size for file in largest.files) / MEBIBYTE
        for job_id in site.acknowledged:  # they were sent to be stored
            site.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
        return [
            count_none("uploads that failed", faults),
            time_within(f"an upload of {slices} slices", times, 100, 1.5),
            time_within(f"an upload of {size:.0f} MiB", [took], 100, 15.0),
            _within_mebibytes("growth of the service's memory at its highest", grown, 200),
            *judge(site, JobState.CANCELLED),
        ]


def write_large_patient(folder: Path, number: int, slices: int) -> Patient:
    """Slices of 512 x 512 pixels, of noise, one millimetre apart."""
    header = SeriesHeader(
        patient_name=f"{CANARY}^{number}",
        patient_id=f"{CANARY}-{number}",
        seed=f"{folder} {number}",
    )
    scan = Scan(rows=SIDE, columns=SIDE, slice_offsets_mm=(0.0, 1.0))
    (first, *_) = write_small_series(folder / f"large-{number}" / "first", scan, header=header)
    dataset = deepcopy(pydicom.dcmread(first))
    noise = np.random.default_rng(number).integers(0, 2000, SIDE * SIDE, np.uint16).tobytes()
    x, y, z = dataset.ImagePositionPatient
    files, checksums = [], {}
    for place in range(slices):
        uid = generate_uid(entropy_srcs=[str(folder), str(number), str(place)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.ImagePositionPatient = [x, y, z + place]
        dataset.InstanceNumber = place + 1
        dataset.PixelData = noise[2 * place :] + noise[: 2 * place]
        file = folder / f"large-{number}" / f"slice-{place:04d}.dcm"
        dataset.save_as(file)
        files.append(file)
        checksums[str(uid)] = sha256(file.read_bytes()).hexdigest()
    return Patient(number, tuple(files), checksums)


def send_urgent(site: Site, patient: Patient) -> str:
    """Upload a patient whose job is urgent."""
    with Client(site.url, KEY) as client:
        answer = client.send(patient.files, {"model": "commissioning", "priority": "urgent"})
    (job,) = answer["jobs"]
    site.acknowledged[job["id"]] = patient
    return str(job["id"])


def look(site: Site, address: str) -> None:
    """Fetch a page that must be there."""
    site.http.get(address).raise_for_status()


def measure(action: Callable[[], object], faults: list[str]) -> float:
    """Seconds that it took; what went wrong is kept."""
    started = time.monotonic()
    try:
        action()
    except Exception as error:  # noqa: BLE001  # a client may meet anything, and all of it counts
        faults.append(repr(error))
    return time.monotonic() - started


def measure_memory(part: Part, *, at_most: bool = False) -> int:
    """Resident bytes of a piece and its children; `at_most`: the most that each ever had."""
    field = "VmHWM" if at_most else "VmRSS"
    total = 0
    for process_id in (part.process_id, *find_children(part.process_id)):
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                total += int(line.split()[1]) * 1024
    return total


def _within_mebibytes(what: str, grown: int, goal: int) -> Finding:
    measured = grown / MEBIBYTE
    return Finding(what, f"{measured:.0f} MiB", f"at most {goal} MiB", measured <= goal)
