"""What jobs make is found and fetched by DICOMweb, once it may leave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from fastapi.testclient import TestClient
from pydicom.uid import RTStructureSetStorage

from service.app import create_app
from tests.dicom_peers import Orthanc
from tests.keys import SHOWN
from tests.service.answers import change_dataset
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import list_jobs, read_uid, wait_for
from tests.service.dicomweb.bodies import store
from tests.service.dicomweb.peers import WHOLE, connect, open_dicomweb_client
from tests.service.test_old_results import claim_old_job
from workers.instances import identify
from workers.jobs import Failure, OutputRecord
from workers.lease_store import NewResult
from workers.result_store import ResultStore
from workers.settings import Settings

NAME = "generic.rtstruct.dcm"
HELD = Failure("structures-failed", "Not all structures could be contoured: generic: Cord.")
ALONE = {"Accept": "application/dicom"}


@pytest.fixture
def done(site: Server, slices: list[bytes]) -> dict[str, Any]:
    """A finished job of a series that came by STOW-RS."""
    with connect(site, WHOLE) as http:
        store(http, *slices)
        wait_for(http, slices[0], "accepted", 20)
        (job,) = list_jobs(http, slices[0])
    return site.wait_for(job["id"], "done")


def search(http: httpx.Client, path: str, **wanted: str) -> list[dict[str, Any]]:
    """What a search finds."""
    answer = http.get(f"/dicom-web/{path}", params=wanted)
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()) if answer.content else []


def test_a_structure_set_is_found_with_its_ct(site: Server, done: dict[str, Any]) -> None:
    """In the CT's study, by its modality, beside the segmentation that the template asks for."""
    study = done["series"]["study_instance_uid"]

    (found,) = search(site.http, "studies", StudyInstanceUID=study, ModalitiesInStudy="RTSTRUCT")
    (series,) = search(site.http, f"studies/{study}/series", Modality="RTSTRUCT")
    (instance,) = search(site.http, f"studies/{study}/instances", SOPClassUID=RTStructureSetStorage)

    assert found["00080061"]["Value"] == ["CT", "RTSTRUCT", "SEG"]
    assert found["00201206"]["Value"] == [3]
    assert "not reviewed" in series["0008103E"]["Value"][0]
    assert instance["30060002"]["Value"]


def test_a_structure_set_is_fetched_as_it_is(site: Server, done: dict[str, Any]) -> None:
    """The same bytes as by the job's own address, and they refer to the CT that was sent."""
    study = done["series"]["study_instance_uid"]
    (series,) = search(site.http, f"studies/{study}/series", Modality="RTSTRUCT")
    (instance,) = search(
        site.http, f"studies/{study}/series/{series['0020000E']['Value'][0]}/instances"
    )

    fetched = site.http.get(instance["00081190"]["Value"][0], headers=ALONE).content

    assert fetched == site.http.get(done["links"]["rtstruct"]).content
    (reference,) = pydicom.dcmread(BytesIO(fetched)).ReferencedFrameOfReferenceSequence
    (referenced,) = reference.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == done["series"]["series_instance_uid"]


@pytest.mark.filterwarnings("error")
def test_dicomweb_client_reads_structure_sets_and_their_metadata(
    site: Server, done: dict[str, Any]
) -> None:
    """By its own defaults, without a warning."""
    client = open_dicomweb_client(site)
    study = done["series"]["study_instance_uid"]

    (series,) = client.search_for_series(study, search_filters={"Modality": "RTSTRUCT"})
    uid = series["0020000E"]["Value"][0]
    (rtstruct,) = client.retrieve_series(study, uid)
    (metadata,) = client.retrieve_series_metadata(study, uid)

    told = pydicom.Dataset.from_json(metadata)
    assert len(told.ROIContourSequence) == len(rtstruct.ROIContourSequence) > 0


def test_orthanc_finds_and_fetches_it(site: Server, orthanc: Orthanc, done: dict[str, Any]) -> None:
    """As a PACS that is asked to get it: by its own QIDO-RS and WADO-RS clients."""
    study = done["series"]["study_instance_uid"]
    asked = {"Uri": f"/studies/{study}/series", "Arguments": {"Modality": "RTSTRUCT"}}
    (series,) = orthanc.http.post("/dicom-web/servers/oarlock/get", json=asked).json()
    uid = series["0020000E"]["Value"][0]

    answer = orthanc.http.post(
        "/dicom-web/servers/oarlock/retrieve",
        json={"Resources": [{"Study": study, "Series": uid}], "Synchronous": True},
    )

    assert answer.status_code == 200, answer.text
    (found,) = orthanc.http.post("/tools/lookup", content=uid).json()
    (instance,) = orthanc.http.get(f"/series/{found['ID']}/instances").json()
    fetched = orthanc.fetch(instance["ID"])
    sent = site.http.get(done["links"]["rtstruct"]).content
    assert pydicom.dcmread(BytesIO(fetched)) == pydicom.dcmread(BytesIO(sent))


@pytest.fixture
def finish_job(
    tmp_path: Path, slices: list[bytes]
) -> Iterator[Callable[..., tuple[TestClient, str, str]]]:
    """A job with a structure set: a client, the job's address, and that of the object."""
    clients = []

    def finish(held: Failure | None = None) -> tuple[TestClient, str, str]:
        def change(dataset: pydicom.Dataset) -> None:
            dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
            dataset.Modality = "RTSTRUCT"

        content = change_dataset(slices[0], change)
        settings, leases, job = claim_old_job(tmp_path)
        stored = ResultStore(tmp_path).keep(job.id, job.fence, {NAME: content})
        path = ResultStore(tmp_path).find_file(stored.folder, NAME)
        instance = identify(path, hashlib.sha256(content).hexdigest())
        outputs = (OutputRecord("generic", NAME),)
        result = NewResult(stored.folder, stored.files, outputs, (), (), {}, held, (instance,))
        leases.finish(job, result)
        delivered_go = Settings(**settings.model_dump() | {"keep_delivered_hours": 0.0})
        clients.append(TestClient(create_app(delivered_go), headers=SHOWN))
        uids = [read_uid(content, f"{level}InstanceUID") for level in ("Study", "Series", "SOP")]
        address = "studies/{}/series/{}/instances/{}".format(*uids)
        return clients[-1].__enter__(), f"/v1/jobs/{job.id}", f"/dicom-web/{address}"

    yield finish
    for client in clients:
        client.__exit__()


def purge(client: TestClient) -> int:
    """A round of the server's own retention; how many jobs went."""
    return len(client.app.state.context.retention.purge())  # type: ignore[attr-defined]


def test_a_held_structure_set_is_not_there(
    finish_job: Callable[..., tuple[TestClient, str, str]],
) -> None:
    """Until a person has released it, no planning system may find it."""
    client, job, instance = finish_job(HELD)
    study = instance.partition("/series")[0]

    assert client.get(job).json()["state"] == "partial"
    for path in (study, instance, f"{study}/metadata"):
        assert client.get(path).status_code == 404
    assert client.get("/dicom-web/studies").status_code == 204

    client.post(f"{job}/release")
    assert client.get(instance).status_code == 200
    assert len(client.get("/dicom-web/studies").json()) == 1


@pytest.mark.parametrize("accept", ["*/*", "application/dicom"])
def test_fetching_it_counts_as_delivery(
    finish_job: Callable[..., tuple[TestClient, str, str]], accept: str
) -> None:
    """Searching and reading metadata do not; what is purged is found no more."""
    client, _, instance = finish_job()
    client.get("/dicom-web/studies")
    client.get(f"{instance}/metadata")
    before = purge(client)
    client.get(instance, headers={"Accept": accept})

    after = purge(client)

    assert (before, after) == (0, 1)
    assert client.get(instance).status_code == 404
    assert client.get("/dicom-web/studies").status_code == 204
