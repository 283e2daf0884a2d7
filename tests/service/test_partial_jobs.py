"""A job in which a structure failed: held until a person has looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from tests.service.test_old_results import claim_old_job
from workers.jobs import Failure, OutputRecord
from workers.lease_store import NewResult
from workers.result_store import ResultStore

FILES = {"generic.rtstruct.dcm": b"structures", "preview.png": b"picture", "report.json": b"{}"}
HELD = Failure("structures-failed", "Not all structures could be contoured: generic: Cord.")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    """A client and the address of a partial job."""
    settings, leases, job = claim_old_job(tmp_path)
    stored = ResultStore(tmp_path).keep(job.id, job.fence, FILES)
    outputs = (OutputRecord("generic", "generic.rtstruct.dcm"),)
    leases.finish(job, NewResult(stored.folder, stored.files, outputs, (), (), {}, HELD))
    with TestClient(create_app(settings), headers=SHOWN) as client:
        yield client, f"/v1/jobs/{job.id}"


def test_its_structure_set_is_held_and_its_picture_is_not(held: tuple[TestClient, str]) -> None:
    """Whoever decides must see what there is; no planning system may take it meanwhile."""
    client, address = held

    shown = client.get(address).json()
    rtstruct = client.get(f"{address}/rtstruct")
    preview = client.get(shown["links"]["preview"])

    assert (shown["state"], shown["failure"]["code"]) == ("partial", "structures-failed")
    assert (shown["outputs"], shown["links"]["rtstruct"]) == ([], None)
    expect_problem(rtstruct, 409, "wrong-job-state", "/release")
    assert preview.content == b"picture"


def test_a_person_releases_it_once(held: tuple[TestClient, str]) -> None:
    """From then on it is a job like any other that is done."""
    client, address = held

    released = client.post(f"{address}/release").json()
    rtstruct = client.get(released["links"]["rtstruct"])
    again = client.post(f"{address}/release")

    assert (released["state"], released["failure"]) == ("done", None)
    assert rtstruct.content == b"structures"
    expect_problem(again, 409, "wrong-job-state", "only a partial job")


def test_run_again_it_forgets_what_it_had(held: tuple[TestClient, str]) -> None:
    """The new attempt's result is the only one."""
    client, address = held

    again = client.post(f"{address}/retry").json()
    preview = client.get(f"{address}/preview.png")

    assert (again["state"], again["failure"]) == ("pending", None)
    expect_problem(preview, 409, "wrong-job-state")
