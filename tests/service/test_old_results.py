"""Results of the first version stay within reach."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from service.app import create_app
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import Job, NewJob, OutputRecord, Priority
from workers.lease_store import LeaseStore, NewResult
from workers.redis_server import RedisServer
from workers.result_store import ResultStore
from workers.settings import Settings

FILES = {"rtstruct.dcm": b"structures", "preview.png": b"picture"}
OLD_JOB = NewJob(
    series_digest="series",
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    series_description="",
    slice_count=3,
    model_name="hn-oar",
    model_checksum="c",
    parameters={},
    priority=Priority.NORMAL,
    warnings=(),
)


def claim_old_job(data: Path) -> tuple[Settings, LeaseStore, Job]:
    """`OLD_JOB` in a new store below `data`, claimed by a worker."""
    settings = Settings(data=data, redis_url=RedisServer(data / "redis").url)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    JobStore(engine).add([OLD_JOB])
    leases = LeaseStore(engine, lease_seconds=600, limits=AttemptLimits())
    job = leases.claim("worker")
    assert job is not None
    return settings, leases, job


def test_an_old_structure_set_is_fetched_and_has_no_report(tmp_path: Path) -> None:
    """It was made from no template, under another name, and nobody wrote a report then."""
    settings, leases, job = claim_old_job(tmp_path)
    stored = ResultStore(tmp_path).keep(job.id, job.fence, FILES)
    outputs = (OutputRecord("generic", "rtstruct.dcm"),)
    leases.finish(job, NewResult(stored.folder, stored.files, outputs, (), (), {}))

    with TestClient(create_app(settings), headers=SHOWN) as client:
        shown = client.get(f"/v1/jobs/{job.id}").json()
        rtstruct = client.get(shown["links"]["rtstruct"])
        report = client.get(shown["links"]["report"])

    assert (shown["state"], shown["templates"]) == ("done", [])
    assert rtstruct.content == b"structures"
    expect_problem(report, 404, "not-found", "wrote no reports")


def test_what_has_no_series_any_more_is_not_compared(tmp_path: Path) -> None:
    """Whoever asks cannot mend it, and learns nothing of where the server keeps its files."""
    settings, leases, job = claim_old_job(tmp_path)
    stored = ResultStore(tmp_path).keep(job.id, job.fence, FILES)
    outputs = (OutputRecord("generic", "rtstruct.dcm"),)
    leases.finish(job, NewResult(stored.folder, stored.files, outputs, (), (), {}))

    with TestClient(create_app(settings), headers=SHOWN) as client:
        compared = client.get(f"/v1/jobs/{job.id}/comparison", params={"with": job.id})

    expect_problem(compared, 409, "conflict", "not kept any more")
    assert str(tmp_path) not in compared.text
