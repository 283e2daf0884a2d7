"""Senders that sites have: dicomweb-client, curl and Orthanc, each with its own habits."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from tests.dicom_peers import Orthanc
from tests.judges import find_program
from tests.keys import KEY
from tests.service.answers import change_dataset
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import count_received, list_jobs, read_uid, wait_for
from tests.service.dicomweb.bodies import MULTIPART, join_parts
from tests.service.dicomweb.peers import forward, open_dicomweb_client, upload

JSON = "application/dicom+json"


@pytest.fixture
def client(site: Server) -> DICOMwebClient:
    """The client of many research projects."""
    return open_dicomweb_client(site)


def read(contents: list[bytes]) -> list[pydicom.Dataset]:
    """Slices as its callers have them."""
    return [pydicom.dcmread(BytesIO(content)) for content in contents]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chunk_bytes", [10**9, 20_000])
def test_dicomweb_client_sends_at_once_and_in_chunks(
    client: DICOMwebClient, slices: list[bytes], chunk_bytes: int
) -> None:
    """And reads which of its objects are stored."""
    client.set_chunk_size(chunk_bytes)

    answer = client.store_instances(read(slices))

    stored = [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence]
    assert stored == [read_uid(one) for one in slices]
    assert answer.RetrieveURL.endswith(read_uid(slices[0], "StudyInstanceUID"))


def test_dicomweb_client_learns_what_failed(client: DICOMwebClient, slices: list[bytes]) -> None:
    """Some objects of another study: 202 is no exception, and names them."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.StudyInstanceUID = "1.2.3"

    objects = read([slices[0], change_dataset(slices[1], change)])

    answer = client.store_instances(objects, read_uid(slices[0], "StudyInstanceUID"))

    (failed,) = answer.FailedSOPSequence
    assert failed.ReferencedSOPInstanceUID == read_uid(slices[1])
    assert len(answer.ReferencedSOPSequence) == 1


def test_the_empty_body_of_a_second_try_is_an_error(
    site: Server, client: DICOMwebClient, monkeypatch: pytest.MonkeyPatch, slices: list[bytes]
) -> None:
    """dicomweb-client tries again after a 503, but what it sends is used up by then."""
    client.set_chunk_size(20_000)
    client.set_http_retry_params(retry=True, max_attempts=2, wait_exponential_multiplier=1)
    send = requests.Session.post

    def fail_once(session: requests.Session, url: str, **given: Any) -> requests.Response:
        monkeypatch.setattr(requests.Session, "post", send)
        for _ in given["data"]:  # a proxy that has read the body and lost the server
            pass
        answer = requests.Response()
        answer.status_code = 503
        return answer

    monkeypatch.setattr(requests.Session, "post", fail_once)

    with pytest.raises(requests.HTTPError, match="400"):
        client.store_instances(read(slices))
    assert count_received(site.http, slices[0]) == []


def run_curl(*arguments: str | Path) -> tuple[str, str]:
    """Content type and status of an answer."""
    run = subprocess.run(
        [
            *(find_program("curl"), "--silent", "--noproxy", "*", "--output", "/dev/null"),
            *("--user", f"first:{KEY}", "--write-out", "%{content_type} %{http_code}", *arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    content_type, _, status = run.stdout.rpartition(" ")
    return content_type, status


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--header", "Transfer-Encoding: chunked"),
        ("--header", "Expect: 100-continue"),
        ("--http1.0",),
        ("--limit-rate", "200k"),
    ],
)
def test_curl_sends_a_multipart_body(
    site: Server, tmp_path: Path, slices: list[bytes], more: tuple[str, ...]
) -> None:
    """With its length or in chunks, after asking whether it may, by HTTP/1.0, slowly."""
    body = tmp_path / "body"
    body.write_bytes(join_parts(*slices, before="\r\n", after=""))

    answer = run_curl(
        *("--header", f"Content-Type: {MULTIPART}", *more, "--data-binary", f"@{body}"),
        f"{site.url}/dicom-web/studies",
    )

    assert answer == (JSON, "200")
    assert [received for _, received in count_received(site.http, slices[0])] == [20]


def test_curl_sends_one_file(site: Server, tmp_path: Path, slices: list[bytes]) -> None:
    """The shortest way to try the server."""
    (tmp_path / "slice.dcm").write_bytes(slices[0])

    answer = run_curl(
        *("--header", "Content-Type: application/dicom"),
        *("--data-binary", f"@{tmp_path / 'slice.dcm'}", f"{site.url}/dicom-web/studies"),
    )

    assert answer == (JSON, "200")


def test_orthanc_counts_what_is_no_ct_as_stored(
    site: Server, orthanc: Orthanc, write_series: Callable[..., list[bytes]]
) -> None:
    """It compares the number that was acknowledged with the number that it sent."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.Modality = "MR"

    objects = [change_dataset(one, change) for one in write_series()]
    upload(orthanc, objects)

    answer = forward(orthanc, read_uid(objects[0], "StudyInstanceUID"))

    assert answer.status_code == 200, answer.text
    assert count_received(site.http, objects[0]) == [("ignored", 20)]


def test_an_archive_that_sends_in_pieces_makes_one_job(
    orthanc: Orthanc, site: Server, write_series: Callable[..., list[bytes]]
) -> None:
    """Orthanc's own client, ten objects a request, with what is no CT among them."""
    slices = write_series(made_at=datetime(2026, 3, 1, tzinfo=UTC))

    def make_mr(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.Modality = "MR"
        dataset.SeriesInstanceUID += ".1"
        dataset.SOPInstanceUID += ".1"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID

    mr = [change_dataset(one, make_mr) for one in slices[:3]]
    upload(orthanc, [*slices, *mr])

    sent = forward(orthanc, read_uid(slices[0], "StudyInstanceUID"))

    assert sent.status_code == 200, sent.text
    arrival = wait_for(site.http, slices[0], "accepted", 20)
    (job,) = list_jobs(site.http, slices[0])
    assert arrival["source"] == "orthanc"
    assert job["series"]["slices"] == 20
    assert count_received(site.http, mr[0]) == [("ignored", 3)]


def test_an_archive_that_sends_again_sends_nothing_new(
    orthanc: Orthanc, site: Server, slices: list[bytes]
) -> None:
    """Its second try after an answer that was lost."""
    upload(orthanc, slices)

    for _ in range(2):
        sent = forward(orthanc, read_uid(slices[0], "SeriesInstanceUID"))
        assert sent.status_code == 200, sent.text

    wait_for(site.http, slices[0], "accepted", 20)
    assert len(list_jobs(site.http, slices[0])) == 1
