"""A whole site whose workers stand elsewhere: they see no word of the patient, and nothing is lost.

The worker is a process without the key; what it can reach is the data folder, which has the
database here, Redis, and its own log.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO

import httpx
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from contouring.lint import lint_structure_set
from contouring.phantom_series import SeriesHeader
from tests.dicom_peers import run_orthanc, run_storescp
from tests.keys import SHOWN
from tests.phantoms import write_small_series
from tests.service.canaries import NAME, UID_ROOT, WORD, find_canaries
from tests.service.dimse.peers import CT, run_node
from tests.service.dimse.requester import Requester
from tests.service.identities.elsewhere import (
    Elsewhere,
    build_settings,
    run_service,
    send,
    wait_for,
)
from tests.service.identities.every_attribute import DATES, count_attributes, make_full_canary
from tests.workers.processes import run_worker, wait_until
from workers.content_hash import ContentHash
from workers.redis_server import RedisServer

WAYS = ("upload", "stow", "dimse", "folder")
JSON = {"Accept": "application/dicom+json"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """A service, a DICOM node, a worker without the key, and four series by four ways."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with ExitStack() as ending:
        planning = ending.enter_context(run_storescp(folder / "planning"))
        archive = ending.enter_context(run_orthanc(folder / "archive"))
        redis = RedisServer(folder / "data" / "redis")
        redis.start()
        ending.callback(redis.stop)
        archive_url = f"{archive.http.base_url}/dicom-web"
        shared, own = build_settings(folder, planning.port, archive_url, redis.url)
        url = f"http://127.0.0.1:{own['OARLOCK_PORT']}"
        http = ending.enter_context(
            httpx.Client(base_url=url, headers=SHOWN, timeout=60, trust_env=False)
        )
        ending.enter_context(run_service({**shared, **own}, folder / "service.log", http))
        settings = {name[8:].lower(): value for name, value in {**shared, **own}.items()}
        node = ending.enter_context(run_node(folder, **settings))
        ending.enter_context(run_worker(shared, folder / "worker.log"))
        site = Elsewhere(folder, http, node, archive)
        for number, way in enumerate(WAYS, start=1):
            header = SeriesHeader(seed=f"elsewhere-{way}")
            files = write_small_series(folder / f"sent-{way}", header=header)
            site.sent[way] = make_full_canary(files, number)
        send(site)
        node.store(*site.sent["dimse"])
        for way in site.sent:
            site.jobs[way] = wait_for(site, way)
        yield site


def test_the_canary_sings_in_every_attribute(elsewhere: Elsewhere) -> None:
    """Otherwise nothing would be proved."""
    (file, *_) = elsewhere.sent["upload"]

    assert count_attributes() > 400
    assert len(find_canaries(file.read_bytes())) > 3


def test_workers_can_read_nothing_of_the_patient(elsewhere: Elsewhere) -> None:
    """In the data folder, its names, the database, Redis and the worker's log."""
    socket = next((elsewhere.data / "redis").glob("*.sock"))
    subprocess.run(["redis-cli", "-s", socket, "SAVE"], check=True, capture_output=True)
    files = [path for path in elsewhere.data.rglob("*") if path.is_file()]
    files.append(elsewhere.folder / "worker.log")

    told = {path.name: find_canaries(path.read_bytes()) for path in files}
    names = [str(path.relative_to(elsewhere.folder)) for path in files]

    assert {"oarlock.sqlite", "dump.rdb", "report.json", "worker.log"} <= told.keys()
    assert {name: found for name, found in told.items() if found} == {}
    assert [name for name in names if find_canaries(name.encode())] == []


def test_no_date_of_the_patient_is_kept(elsewhere: Elsewhere) -> None:
    """Of objects and results alike, in every attribute."""
    kept = [*elsewhere.data.glob("instances/*.dcm"), *elsewhere.data.glob("results/*/*/*.dcm")]
    assert len(kept) > 60

    for path in kept:
        for element in pydicom.dcmread(path, stop_before_pixels=True).iterall():
            if element.VR != "UI":  # of whose digits chance makes anything
                assert DATES["DA"] not in str(element.value), element.keyword


def test_nothing_lies_where_it_came_in(elsewhere: Elsewhere) -> None:
    """What came in and what left is gone from the service's own folder, too."""
    wait_until(
        lambda: not list((elsewhere.folder / "staging" / "incoming").iterdir()),
        "staging to be empty",
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_structure_set_leaves_as_the_patients(elsewhere: Elsewhere, way: str) -> None:
    """By download, C-STORE, STOW-RS and a folder: the same file, sound against the original CT."""
    original = elsewhere.read_original(way)
    content = elsewhere.fetch(way, "rtstruct")
    made = pydicom.dcmread(BytesIO(content))
    header = pydicom.dcmread(elsewhere.sent[way][0], stop_before_pixels=True)

    delivered = (elsewhere.folder / "near" / f"{made.SOPInstanceUID}.dcm").read_bytes()
    (stored,) = [
        path
        for path in (elsewhere.folder / "planning" / "received").iterdir()
        if made.SOPInstanceUID in path.name
    ]
    (archived,) = elsewhere.archive.http.post(
        "/tools/lookup", content=str(made.SOPInstanceUID)
    ).json()
    findings = lint_structure_set(content, original)

    assert delivered == content
    assert pydicom.dcmread(stored) == pydicom.dcmread(BytesIO(content))
    assert pydicom.dcmread(BytesIO(elsewhere.archive.fetch(archived["ID"]))) == made
    assert [one for one in findings if one.severity == "error"] == []
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyID", "StudyDate"):
        assert made[keyword].value == header[keyword].value, keyword
    assert made.StudyInstanceUID == original.study_instance_uid
    named = {
        item.value for item in made.iterall() if item.keyword == "ReferencedSOPInstanceUID"
    } - {original.study_instance_uid}
    assert named == {one.sop_instance_uid for one in original.instances}


def test_a_segmentation_leaves_as_the_patients(elsewhere: Elsewhere) -> None:
    """It is made by another writer."""
    original = elsewhere.read_original("upload")

    made = pydicom.dcmread(BytesIO(elsewhere.fetch("upload", "segmentation")))
    named = {item.value for item in made.iterall() if item.keyword == "ReferencedSOPInstanceUID"}

    assert made.PatientName == NAME
    assert made.FrameOfReferenceUID == original.frame_of_reference_uid
    assert named <= {one.sop_instance_uid for one in original.instances}


@pytest.mark.parametrize("way", WAYS)
def test_a_ct_is_given_back_byte_for_byte(elsewhere: Elsewhere, way: str) -> None:
    """By WADO-RS, what an archive has sent: private attributes and all behind the pixels."""
    for file in elsewhere.sent[way][:3]:
        sent = pydicom.dcmread(file, stop_before_pixels=True)
        address = (
            f"/dicom-web/studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}"
            f"/instances/{sent.SOPInstanceUID}"
        )
        answer = elsewhere.http.get(address, headers={"Accept": "application/dicom"})

        assert sent.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert answer.is_success, answer.text
        assert hash_of(answer.content) == hash_of(file.read_bytes())


def test_nothing_is_left_in_a_watched_folder(elsewhere: Elsewhere) -> None:
    """Not what was taken from it, and nothing of it aside."""
    assert [path for path in (elsewhere.folder / "inbox").rglob("*") if path.is_file()] == []


def test_a_sender_hears_that_its_own_objects_are_kept(elsewhere: Elsewhere) -> None:
    """Storage commitment names what the sender asked for; another patient's UID is not here."""
    requester = Requester()
    sent = [str(pydicom.dcmread(file).SOPInstanceUID) for file in elsewhere.sent["dimse"][:2]]
    unknown = f"{UID_ROOT}.77"

    requester.ask(elsewhere.node, [(CT, uid) for uid in (*sent, unknown)], stays=True)

    ((_, report),) = requester.reports
    assert [one.ReferencedSOPInstanceUID for one in report.ReferencedSOPSequence] == sent
    assert [one.ReferencedSOPInstanceUID for one in report.FailedSOPSequence] == [unknown]


def test_searches_find_the_patient_by_name(elsewhere: Elsewhere) -> None:
    """QIDO-RS and metadata speak of the original alone."""
    http = elsewhere.http
    named = http.get(f"/dicom-web/studies?PatientName={NAME}&includefield=PatientID", headers=JSON)
    study = f"{UID_ROOT}.1"
    series = http.get(f"/dicom-web/studies/{study}/series?Modality=RTSTRUCT", headers=JSON)
    metadata = http.get(f"/dicom-web/studies/{study}/metadata", headers=JSON).json()

    assert {one["0020000D"]["Value"][0] for one in named.json()} == {
        f"{UID_ROOT}.{number}" for number in (1, 2, 3, 4)
    }
    assert named.json()[0]["00100020"]["Value"] == [WORD]
    assert len(series.json()) == 1
    assert len(metadata) == 22  # slices, structure set, segmentation
    assert all(one["00100010"]["Value"][0]["Alphabetic"] == NAME for one in metadata)


def test_jobs_and_arrivals_are_shown_as_their_senders_know_them(elsewhere: Elsewhere) -> None:
    """A person who follows a job looks for the patient's series."""
    for way, job in elsewhere.jobs.items():
        original = elsewhere.read_original(way)

        assert job["series"]["study_instance_uid"] == original.study_instance_uid
        assert job["series"]["description"] == original.description
        report = elsewhere.http.get(f"/v1/jobs/{job['id']}/report").json()
        assert report["series_instance_uid"] == original.series_instance_uid
    arrivals = elsewhere.http.get("/v1/arrivals").json()["arrivals"]
    assert {one["series_instance_uid"] for one in arrivals} == {
        elsewhere.read_original(way).series_instance_uid for way in elsewhere.sent
    }
    page = elsewhere.http.get("/").text
    for way in elsewhere.sent:
        assert elsewhere.read_original(way).series_instance_uid in page


def test_the_same_series_again_is_the_same_job(elsewhere: Elsewhere) -> None:
    """What stands for a UID is made with the key, not drawn."""
    parts = [("files", (file.name, file.read_bytes())) for file in elsewhere.sent["stow"]]
    kept = len(list(elsewhere.data.glob("instances/*.dcm")))

    again = elsewhere.http.post("/v1/jobs", files=parts).json()

    assert [job["id"] for job in again["jobs"]] == [elsewhere.jobs["stow"]["id"]]
    assert len(list(elsewhere.data.glob("instances/*.dcm"))) == kept


def hash_of(content: bytes) -> str:
    """Of the dataset, without its meta group."""
    checksum = ContentHash()
    checksum.update(content)
    return checksum.hexdigest()
