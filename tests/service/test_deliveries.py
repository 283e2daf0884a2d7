"""Deliveries over HTTP: what is shown of them, and what a person decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from contouring.errors import InvalidConfigurationError, UnknownTemplateError
from service.app import create_app
from tests.contouring.tiny_structure_sets import PAROTID, written
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from tests.service.test_old_results import OLD_JOB
from tests.service.test_partial_jobs import HELD
from tests.workers.processes import wait_until
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import Failure, OutputRecord, PlannedDelivery
from workers.lease_store import LeaseStore, NewResult
from workers.redis_server import RedisServer
from workers.result_store import ResultStore
from workers.settings import Settings

FILE = "generic.rtstruct.dcm"
REVIEWED = PlannedDelivery("folder", "generic", is_held=True)
DESTINATION = "format: 1\ndestinations: [{{name: folder, kind: folder, path: {path}}}]\n"


@dataclass(frozen=True)
class Site:
    """A running service, the folder that it delivers to, and a way to have jobs done."""

    client: TestClient
    folder: Path
    finish: Callable[..., str]

    def wait_for(self, address: str, state: str) -> dict[str, object]:
        """The job's first delivery once it is in a state."""

        def read() -> dict[str, object]:
            return dict(self.client.get(address).json()["deliveries"][0])

        wait_until(lambda: read()["state"] == state, f"{address}: {state}")
        return read()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service with one destination."""
    folder, file = tmp_path / "watched", tmp_path / "destinations.yaml"
    data = tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    file.write_text(DESTINATION.format(path=folder))
    settings = Settings(
        data=data,
        redis_url=RedisServer(tmp_path / "redis").url,
        destinations=file,
        courier_seconds=0.05,
        delivery_hours=0,  # the first try is the last one
    )
    content, _ = written(tmp_path / "ct", PAROTID)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    leases = LeaseStore(engine, lease_seconds=600, limits=AttemptLimits())

    def finish(*planned: PlannedDelivery, held: Failure | None = None) -> str:
        (job,) = JobStore(engine).add([replace(OLD_JOB, planned=planned)])
        claimed = leases.claim("worker")
        assert claimed is not None
        stored = ResultStore(data).keep(job.id, claimed.fence, {FILE: content})
        outputs = (OutputRecord("generic", FILE),)
        leases.finish(claimed, NewResult(stored.folder, stored.files, outputs, (), (), {}, held))
        return f"/v1/jobs/{job.id}"

    with TestClient(create_app(settings), headers=SHOWN) as client:
        yield Site(client, folder, finish)
    engine.dispose()


def test_a_finished_job_is_delivered_and_says_so(site: Site) -> None:
    """In its JSON, in the list, on the page and in the metrics."""
    address = site.finish(PlannedDelivery("folder"))

    delivery = site.wait_for(address, "delivered")

    assert (delivery["destination"], delivery["template"]) == ("folder", "generic")
    assert (delivery["tries"], delivery["error"]) == (1, "")
    assert len(list(site.folder.iterdir())) == 1
    assert site.client.get("/v1/jobs").json()["jobs"][0]["deliveries"] == [delivery]
    assert "folder, generic: delivered" in site.client.get("/").text
    assert 'oarlock_deliveries{state="delivered"} 1.0' in site.client.get("/metrics").text
    assert site.client.get("/health/ready").json()["parts"]["deliveries"] == "ok"


def test_what_is_held_for_review_leaves_when_a_person_says_so(site: Site) -> None:
    """The job is done and can be fetched meanwhile."""
    address = site.finish(REVIEWED)
    held = site.wait_for(address, "held")
    fetched = site.client.get(f"{address}/rtstruct")

    answer = site.client.post(f"{address}/deliver", params={"destination": "folder"})

    assert (held["tries"], fetched.status_code, answer.status_code) == (0, 200, 202)
    assert site.wait_for(address, "delivered")["tries"] == 1


def test_a_partial_job_is_sent_once_it_is_released(site: Site) -> None:
    """It cannot be sent around that."""
    address = site.finish(PlannedDelivery("folder"), held=HELD)

    refused = site.client.post(f"{address}/deliver")
    held = site.wait_for(address, "held")
    site.client.post(f"{address}/release")

    expect_problem(refused, 409, "wrong-job-state", "/release")
    assert held["tries"] == 0
    assert site.wait_for(address, "delivered")["state"] == "delivered"


def test_a_destination_that_the_job_has_not_is_told(site: Site) -> None:
    """An address cannot be given here either."""
    address = site.finish(REVIEWED)

    answer = site.client.post(f"{address}/deliver", params={"destination": "http://elsewhere/"})

    expect_problem(answer, 404, "unknown-destination", "known destinations: folder")
    expect_problem(site.client.post("/v1/jobs/none/deliver"), 404, "unknown-job")


def test_a_delivery_that_failed_degrades_the_service_until_it_is_made(site: Site) -> None:
    """A monitor sees it, and the page says why."""
    site.folder.rename(site.folder.with_name("away"))
    address = site.finish(PlannedDelivery("folder"))
    failed = site.wait_for(address, "failed")
    health = site.client.get("/health/ready").json()
    page = site.client.get("/").text

    site.folder.with_name("away").rename(site.folder)
    site.client.post(f"{address}/deliver")

    assert str(failed["error"]).endswith("is its share mounted?")
    assert (health["status"], health["parts"]["deliveries"]) == ("degraded", "1 failed")
    assert "folder, generic: failed" in page
    site.wait_for(address, "delivered")
    assert site.client.get("/health/ready").json()["parts"]["deliveries"] == "ok"


def test_a_job_can_be_followed_until_it_is_delivered(site: Site) -> None:
    """Also past its end."""
    address = site.finish(PlannedDelivery("folder"))

    followed = site.client.get(f"{address}/events", params={"until": "delivered"}).text

    lines = [line.removeprefix("data: ") for line in followed.splitlines() if "data: " in line]
    assert json.loads(lines[-1])["deliveries"][0]["state"] == "delivered"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("format: 2\n", InvalidConfigurationError),
        (
            "format: 1\ndestinations: [{name: a, kind: folder, path: /a, template: nope}]\n",
            UnknownTemplateError,
        ),
    ],
)
def test_a_wrong_file_shows_when_the_service_starts(
    tmp_path: Path, content: str, error: type[Exception]
) -> None:
    """Not when the first result is to leave."""
    file = tmp_path / "destinations.yaml"
    file.write_text(content)
    redis_url = RedisServer(tmp_path / "redis").url
    app = create_app(Settings(data=tmp_path, redis_url=redis_url, destinations=file))

    with pytest.raises(error), TestClient(app, headers=SHOWN):
        pass
