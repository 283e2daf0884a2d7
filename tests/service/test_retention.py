"""What counts as delivered over HTTP, and what is kept from being purged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from tests.service.test_old_results import claim_old_job
from workers.jobs import OutputRecord
from workers.lease_store import NewResult
from workers.result_store import ResultStore
from workers.settings import Settings

FILES = {"generic.rtstruct.dcm": b"structures", "preview.png": b"picture"}
AT_ONCE = {"keep_delivered_hours": 0.0}


@pytest.fixture
def done(tmp_path: Path) -> Iterator[tuple[TestClient, str]]:
    """A client and the address of a finished job, purged as soon as it is delivered."""
    settings, leases, job = claim_old_job(tmp_path)
    stored = ResultStore(tmp_path).keep(job.id, job.fence, FILES)
    outputs = (OutputRecord("generic", "generic.rtstruct.dcm"),)
    leases.finish(job, NewResult(stored.folder, stored.files, outputs, (), (), {}))
    with TestClient(
        create_app(Settings(**settings.model_dump() | AT_ONCE)), headers=SHOWN
    ) as client:
        yield client, f"/v1/jobs/{job.id}"


def purge(client: TestClient) -> tuple[str, ...]:
    """A round of the server's own retention."""
    purged: tuple[str, ...] = client.app.state.context.retention.purge()  # type: ignore[attr-defined]
    return purged


def test_fetching_the_structure_set_counts_as_delivery(done: tuple[TestClient, str]) -> None:
    """Looking at the picture does not: nobody plans with it."""
    client, address = done
    client.get(f"{address}/preview.png")
    after_preview = purge(client)
    client.get(f"{address}/rtstruct")

    after_fetch = purge(client)
    shown = client.get(address).json()
    rtstruct = client.get(f"{address}/rtstruct")

    assert (after_preview, len(after_fetch)) == ((), 1)
    assert (shown["state"], shown["series"]["series_instance_uid"]) == ("purged", "")
    expect_problem(rtstruct, 409, "wrong-job-state", "purged")


def test_a_legal_hold_is_set_and_lifted(done: tuple[TestClient, str]) -> None:
    """Whoever may see the job may keep it."""
    client, address = done
    held = client.put(f"{address}/legal-hold").json()
    client.get(f"{address}/rtstruct")
    while_held = purge(client)
    lifted = client.delete(f"{address}/legal-hold").json()

    assert (held["legal_hold"], while_held) == (True, ())
    assert (lifted["legal_hold"], len(purge(client))) == (False, 1)
