"""A job that failed its release check: nothing of it leaves but the report."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.testclient import TestClient

from contouring.errors import ReleaseCheckError
from service.app import create_app
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from tests.service.test_old_results import claim_old_job
from workers.jobs import Failure
from workers.result_store import ResultStore

BREACH = "Cord strays 3.0 mm."
REPORT = {
    "series_instance_uid": "1.2.3",
    "model": {"name": "m", "version": "1", "checksum": "c", "runtime": "r", "plan": "p"},
    "made_at": "2026-03-04T05:06:07+00:00",
    "software_version": "0.1.0",
    "warnings": [],
    "outputs": [
        {
            "template": "generic",
            "structures": [],
            "release": {"agreements": [], "findings": [], "breaches": [BREACH]},
        }
    ],
    "stage_seconds": {},
}


def test_the_report_is_fetched_and_the_structure_set_is_not(tmp_path: Path) -> None:
    """The reason of a job holds a sentence; what was measured stands in the report."""
    settings, leases, job = claim_old_job(tmp_path)
    error = ReleaseCheckError([BREACH])
    ResultStore(tmp_path).keep(job.id, job.fence, {"report.json": json.dumps(REPORT).encode()})
    leases.fail(job, Failure(error.code, str(error)))

    with TestClient(create_app(settings), headers=SHOWN) as client:
        shown = client.get(f"/v1/jobs/{job.id}").json()
        report = client.get(shown["links"]["report"])
        rtstruct = client.get(f"/v1/jobs/{job.id}/rtstruct")

    assert (shown["state"], shown["links"]["rtstruct"]) == ("failed", None)
    assert report.json()["outputs"][0]["release"]["breaches"] == [BREACH]
    expect_problem(rtstruct, 409, "wrong-job-state")
