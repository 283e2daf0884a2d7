"""The one judge of every trial: is all that the site promised there, once, and nobody else's?"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pydicom
from sqlalchemy import func, select, text

from models.bundles import RELEASED, find_bundles
from models.cascades import open_cascade
from tests.chaos.findings import Finding, count_all, count_none
from tests.chaos.patients import CANARY, Patient
from tests.chaos.site import Site
from workers.jobs import TERMINAL, Job, JobState
from workers.series_store import STAGING_SECONDS, SeriesStore
from workers.tables import results

REDRAWN = 40  # jobs whose structure sets are made again, to be compared to the last byte


def judge(site: Site, expected: JobState | None = JobState.DONE) -> list[Finding]:
    """What holds of the site now; `expected`: how every job should have ended, None for any."""
    site.wait_until_ready()
    jobs = {job.id: job for job in site.list_jobs()}
    promised = site.acknowledged
    known = {job_id: jobs[job_id] for job_id in promised if job_id in jobs}
    done = [job for job in known.values() if job.state is JobState.DONE]
    findings = [
        count_none("promised jobs that are gone", sorted(set(promised) - set(jobs))),
        count_none("promised series that are not stored whole", _find_unstored(site, known)),
        count_none("jobs that neither ended nor move", _find_stuck(jobs.values())),
        count_none("series with several jobs", _find_doubled(jobs.values())),
        count_none("finished jobs without one visible result", _find_unseen(site, done)),
        count_none("structure sets of another patient", _find_mixed(site, done)),
        count_none("structure sets that differ when made again", _find_changed(site, done)),
        count_none("staged files that a sweep leaves after an hour", _find_stale(site.data)),
        count_none("patients named in logs or Redis", _find_leaks(site)),
        _check_database(site),
    ]
    if expected is not None:
        reached = sum(job.state is expected for job in known.values())
        told = f"promised jobs {expected.value}"
        findings.insert(0, count_all(told, reached, max(1, len(promised))))
    return findings


def _find_unstored(site: Site, jobs: dict[str, Job]) -> list[str]:
    lacking = []
    for job_id, job in jobs.items():
        folder = site.data / "series" / job.series_digest
        stored = {_hash(file) for file in folder.glob("*.dcm")}
        if stored != set(site.acknowledged[job_id].checksums.values()):
            lacking.append(job_id)
    return lacking


def _find_stuck(jobs: Iterable[Job]) -> list[str]:
    return [job.id for job in jobs if job.state not in TERMINAL]


def _find_doubled(jobs: Iterable[Job]) -> list[str]:
    counts = Counter(job.series_instance_uid for job in jobs)
    return [uid for uid, count in counts.items() if count > 1]


def _find_unseen(site: Site, done: list[Job]) -> list[str]:
    """Jobs whose result is not there exactly once, whole and as its checksums say."""
    with site.engine.connect() as connection:
        rows = connection.execute(select(results.c.job_id, results.c.folder, results.c.files)).all()
        total = connection.scalar(select(func.count()).select_from(results))
    kept = {row.job_id: row for row in rows}
    unseen = [] if total == len(kept) else ["a result without a job of its own"]
    for job in done:
        row = kept.get(job.id)
        answer = site.http.get(f"/v1/jobs/{job.id}/rtstruct")
        if row is None or not answer.is_success:
            unseen.append(job.id)
            continue
        folder = site.data / "results" / row.folder
        stored = {file.name: _hash(file) for file in folder.iterdir()}
        if stored != row.files or hashlib.sha256(answer.content).hexdigest() not in stored.values():
            unseen.append(job.id)
    return unseen


def _find_mixed(site: Site, done: list[Job]) -> list[str]:
    mixed = []
    for job in done:
        patient, dataset = site.acknowledged[job.id], _read_rtstruct(site, job)
        referenced = {
            str(image.ReferencedSOPInstanceUID)
            for roi in dataset.ROIContourSequence
            for contour in roi.get("ContourSequence", [])
            for image in contour.ContourImageSequence
        }
        if dataset.PatientID != patient.patient_id or not referenced <= set(patient.checksums):
            mixed.append(job.id)
    return mixed


def _find_changed(site: Site, done: list[Job]) -> list[str]:
    """A rerun must give what the first run would have given: made again here, and compared."""
    cascade = open_cascade(find_bundles((RELEASED,))["commissioning"], threads=1)
    rerun_first = sorted(done, key=lambda job: -job.attempt)
    changed = []
    for job in rerun_first[:REDRAWN]:
        patient: Patient = site.acknowledged[job.id]
        given = _find_rtstruct(site, job).read_bytes()
        if given != patient.contour(cascade, job.created_at):
            changed.append(job.id)
    return changed


def _find_stale(data: Path) -> list[str]:
    """What dead processes left is made an hour older here, and swept as the service does it."""
    staging = data / "staging"
    then = time.time() - STAGING_SECONDS - 1.0
    for folder in staging.iterdir():
        os.utime(folder, (then, then))
    SeriesStore(data).sweep()
    return [str(path) for path in staging.rglob("*")]


def _find_leaks(site: Site) -> list[str]:
    """Files of logs and of Redis in which a patient's name or id can be read."""
    places = [*(site.folder / "logs").rglob("*"), *(site.folder / "redis").rglob("*")]
    canary = CANARY.encode()
    return [str(path) for path in places if path.is_file() and canary in path.read_bytes()]


def _check_database(site: Site) -> Finding:
    if site.postgresql is not None:
        told = site.postgresql.find_faults() or "ok"
    else:
        with site.engine.connect() as connection:
            told = connection.scalar(text("PRAGMA integrity_check"))
    return Finding("integrity of the database", str(told), "ok", told == "ok")


def _read_rtstruct(site: Site, job: Job) -> pydicom.Dataset:
    return pydicom.dcmread(_find_rtstruct(site, job))


def _find_rtstruct(site: Site, job: Job) -> Path:
    assert job.result_folder is not None
    return site.data / "results" / job.result_folder / job.outputs[0].rtstruct


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
