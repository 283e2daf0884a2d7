"""Projects: whoever belongs to one sees and touches what is its own, and nothing else exists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pydicom
import pytest
from fastapi.testclient import TestClient
from pydicom.uid import RTStructureSetStorage
from sqlalchemy import Engine

from contouring.phantom_series import SeriesHeader
from service.access.declarations import list_routes
from service.access.roles import Role
from service.app import create_app
from service.dimse.commitment import build_report
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.service.access.conftest import MakeKey, show
from tests.service.answers import change_dataset
from tests.service.dicomweb.arrivals import read_uid
from tests.service.dicomweb.bodies import list_stored, store
from workers.attempt_limits import AttemptLimits
from workers.commitment_store import Commitment
from workers.holdings import Holdings
from workers.instance_files import InstanceFiles
from workers.instances import identify
from workers.jobs import OutputRecord
from workers.lease_store import LeaseStore, NewResult
from workers.result_store import ResultStore
from workers.settings import Settings
from workers.source_book import SourceBook, SourceEntry
from workers.sources import Source, SourceKind

RTSTRUCT = "generic.rtstruct.dcm"
JOB_ROUTES = [
    (method, path)
    for path, methods, _ in list_routes(create_app(Settings()).routes)
    for method in sorted(methods)
    if "{job_id}" in path
]


@pytest.fixture
def people(client: TestClient, make_key: MakeKey) -> dict[str, httpx.Client]:
    """Administrators: of two projects, and of the whole site."""
    keys = {
        "red": make_key(Role.ADMINISTRATOR, name="red", project="red"),
        "blue": make_key(Role.ADMINISTRATOR, name="blue", project="blue"),
        "site": KEY,
    }
    return {name: _As(client, key) for name, key in keys.items()}


class _As(httpx.Client):
    """Somebody's requests, through another client."""

    def __init__(self, client: TestClient, key: str) -> None:
        super().__init__(transport=client._transport, base_url=client.base_url, headers=show(key))


@pytest.fixture
def slices(tmp_path: Path) -> list[bytes]:
    """A CT series."""
    files = write_small_series(tmp_path / "ct", header=SeriesHeader(seed="projects"))
    return [file.read_bytes() for file in files]


def upload(http: httpx.Client, slices: list[bytes]) -> str:
    """The id of the job of an upload."""
    files = [("files", content) for content in slices]
    answer = http.post("/v1/jobs", files=files, data={"model": "commissioning"})
    (job,) = answer.raise_for_status().json()["jobs"]
    return str(job["id"])


def list_ids(http: httpx.Client) -> list[str]:
    """Of the jobs that somebody is shown."""
    return [job["id"] for job in http.get("/v1/jobs").json()["jobs"]]


@pytest.fixture
def jobs(people: dict[str, httpx.Client], slices: list[bytes]) -> dict[str, str]:
    """Jobs of the same upload by each of them."""
    return {name: upload(http, slices) for name, http in people.items()}


def test_the_same_series_is_another_job_in_each_project(
    people: dict[str, httpx.Client], jobs: dict[str, str], slices: list[bytes]
) -> None:
    """One that is known already would tell that somebody else has it; sent again it is the same."""
    shown = {name: list_ids(http) for name, http in people.items()}
    again = {name: upload(http, slices) for name, http in people.items()}

    assert len(set(jobs.values())) == 3
    assert again == jobs
    assert (shown["red"], shown["blue"]) == ([jobs["red"]], [jobs["blue"]])
    assert set(shown["site"]) == set(jobs.values())


@pytest.mark.parametrize(("method", "path"), JOB_ROUTES)
def test_a_job_of_another_project_is_as_good_as_none(
    people: dict[str, httpx.Client], jobs: dict[str, str], method: str, path: str
) -> None:
    """On every route that has a job in its path; the answer is the one for an id there is not."""
    assert len(JOB_ROUTES) > 10
    others = {name: path.replace("{job_id}", job_id) for name, job_id in jobs.items()}

    of_blue = people["red"].request(method, others["blue"])
    of_site = people["red"].request(method, others["site"])

    for answer, name in ((of_blue, "blue"), (of_site, "site")):
        assert answer.status_code == 404
        assert (
            answer.json()["detail"] == f"There is no job {jobs[name]}: list the jobs at /v1/jobs."
        )
    states = {name: people["site"].get(f"/v1/jobs/{job}").json() for name, job in jobs.items()}
    assert {one["state"] for one in states.values()} <= {"pending", "queued"}
    assert not any(one["cancel_requested"] or one["legal_hold"] for one in states.values())


def test_ones_own_job_can_be_touched(people: dict[str, httpx.Client], jobs: dict[str, str]) -> None:
    """The walls are around a project, not within it."""
    held = people["red"].put(f"/v1/jobs/{jobs['red']}/legal-hold")
    by_site = people["site"].put(f"/v1/jobs/{jobs['blue']}/legal-hold")
    compared = people["red"].get(
        f"/v1/jobs/{jobs['red']}/comparison", params={"with": jobs["blue"]}
    )
    cancelled = people["red"].delete(f"/v1/jobs/{jobs['red']}")

    assert (held.status_code, by_site.status_code, cancelled.status_code) == (200, 200, 202)
    assert held.json()["project"] == "red"
    assert compared.status_code == 404


def test_arrivals_and_the_page_are_parted(
    people: dict[str, httpx.Client], jobs: dict[str, str]
) -> None:
    """By what came in, not by what was made of it."""
    arrivals = {name: http.get("/v1/arrivals").json()["arrivals"] for name, http in people.items()}
    pages = {name: http.get("/").text for name, http in people.items()}

    assert [one["project"] for one in arrivals["red"]] == ["red"]
    beyond = [
        people["red"].get("/v1/arrivals", params={"after": arrivals["blue"][0]["id"]}),
        people["red"].get("/v1/jobs", params={"after": jobs["blue"]}),
    ]
    assert [answer.status_code for answer in beyond] == [404, 404]
    assert [one["jobs"] for one in arrivals["blue"]] == [[jobs["blue"]]]
    assert len(arrivals["site"]) == 3
    found = {
        name: set(re.findall(r"/v1/jobs/([0-9a-f-]{36})", page)) for name, page in pages.items()
    }
    assert found == {"red": {jobs["red"]}, "blue": {jobs["blue"]}, "site": set(jobs.values())}


def list_addresses(content: bytes) -> Iterator[str]:
    """Where an object, its series and its study are searched and fetched."""
    study, series, instance = (
        read_uid(content, f"{level}InstanceUID") for level in ("Study", "Series", "SOP")
    )
    one = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
    of_series, of_study = one.partition("/instances")[0], one.partition("/series")[0]
    for address in (one, of_series, of_study):
        yield address
        yield f"{address}/metadata"


def search(http: httpx.Client, content: bytes) -> set[int]:
    """The statuses of all ways to search for an object."""
    study = f"/dicom-web/studies/{read_uid(content, 'StudyInstanceUID')}"
    series = f"{study}/series/{read_uid(content, 'SeriesInstanceUID')}"
    paths = [
        *("/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances"),
        *(f"{study}/series", f"{study}/instances", f"{series}/instances"),
    ]
    return {http.get(path).status_code for path in paths}


def test_dicomweb_shows_what_came_for_a_project(
    people: dict[str, httpx.Client], slices: list[bytes]
) -> None:
    """Each object is kept once, whoever sends it, and belongs to all who have sent it."""
    first, second = slices[:2]
    store(people["red"], first)
    kept = list_stored(store(people["red"], second))
    before = (search(people["red"], first), search(people["blue"], first))
    hidden = {people["blue"].get(address).status_code for address in list_addresses(first)}

    store(people["blue"], second)

    fetched = {name: set() for name in people}
    for name, http in people.items():
        for address in list_addresses(second):
            fetched[name].add(http.get(address, headers={"Accept": "*/*"}).status_code)
    (found,) = people["blue"].get("/dicom-web/studies").json()
    assert len(kept) == 1
    assert before == ({200}, {204})
    assert hidden == {404}
    assert fetched == {"red": {200}, "blue": {200}, "site": {200}}
    assert found["00201208"]["Value"] == [1]  # Number of Study Related Instances: not the first one
    assert search(people["site"], first) == {200}


def test_a_result_is_its_jobs_projects(
    people: dict[str, httpx.Client],
    slices: list[bytes],
    settings: Settings,
    database: Engine,
) -> None:
    """Also over DICOMweb, where nobody asks for jobs."""
    upload(people["red"], slices)
    rtstruct = _finish(slices[0], settings, database)

    statuses = {
        name: {http.get(address).status_code for address in list_addresses(rtstruct)}
        for name, http in people.items()
    }
    seen = {
        name: http.get("/dicom-web/series", params={"Modality": "RTSTRUCT"}).status_code
        for name, http in people.items()
    }

    assert statuses == {"red": {200}, "blue": {404}, "site": {200}}
    assert seen == {"red": 200, "blue": 204, "site": 200}


def _finish(content: bytes, settings: Settings, database: Engine) -> bytes:
    """Give the waiting job a structure set."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = "2.25.2", "2.25.3"
        dataset.Modality = "RTSTRUCT"

    made = change_dataset(content, change)
    leases = LeaseStore(database, lease_seconds=600, limits=AttemptLimits())
    job = leases.claim("worker")
    assert job is not None
    results = ResultStore(settings.data)
    stored = results.keep(job.id, job.fence, {RTSTRUCT: made})
    instance = identify(
        results.find_file(stored.folder, RTSTRUCT), hashlib.sha256(made).hexdigest()
    )
    outputs = (OutputRecord("generic", RTSTRUCT),)
    leases.finish(
        job, NewResult(stored.folder, stored.files, outputs, (), (), {}, None, (instance,))
    )
    return made


def test_a_sender_by_dimse_has_its_sources_project() -> None:
    """And two projects may each have a source of one name, whose series never mix."""
    book = SourceBook([SourceEntry(name="ct", kind="dimse", calling_ae="CT", project="red")])

    sender = book.find(SourceKind.DIMSE, calling_ae="CT")

    assert sender is not None
    assert sender.source.project == "red"
    assert sender.source.key != Source("ct", SourceKind.DIMSE, project="blue").key


def test_a_commitment_is_to_what_a_project_has(
    people: dict[str, httpx.Client], slices: list[bytes], settings: Settings, database: Engine
) -> None:
    """Asking whether something is kept would otherwise tell what others have."""
    store(people["red"], slices[0])
    uids = tuple(read_uid(slices[0], f"SOP{kind}UID") for kind in ("Class", "Instance"))
    kept = Holdings(database, InstanceFiles(settings.data), ResultStore(settings.data))

    told = {}
    for project in ("red", "blue"):
        source = Source("ct", SourceKind.DIMSE, project=project)
        asked = Commitment("c", "1.2", source, (uids,), 0)
        _, report = build_report(asked, kept.of_project(project))
        told[project] = ("ReferencedSOPSequence" in report, "FailedSOPSequence" in report)

    assert told == {"red": (True, False), "blue": (False, True)}
