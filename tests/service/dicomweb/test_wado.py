"""WADO-RS: what is kept comes back as it was sent, in the envelope that a client reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from email import message_from_bytes
from io import BytesIO
from xml.etree import ElementTree

import httpx
import pydicom
import pytest
from pydicom.uid import RLELossless

from tests.service.answers import expect_problem
from tests.service.conftest import Server
from tests.service.dicomweb.bodies import store
from tests.service.dicomweb.peers import open_dicomweb_client

MULTIPART = 'multipart/related; type="application/dicom"'
JSON, XML = "application/dicom+json", "application/dicom+xml"


def split_parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """Content type and content of each part, by Python's own reader of multiparts."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.content)
    assert message.is_multipart()
    parts = answer.content.split(b"--" + message.get_boundary("").encode())[1:-1]
    contents = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
    return [
        (part["Content-Type"], content)
        for part, content in zip(message.get_payload(), contents, strict=True)
    ]


def name_path(content: bytes, level: str) -> str:
    """Address of the study, the series or the object itself."""
    header = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
    path = f"/dicom-web/studies/{header.StudyInstanceUID}"
    if level == "study":
        return path
    path += f"/series/{header.SeriesInstanceUID}"
    return path if level == "series" else f"{path}/instances/{header.SOPInstanceUID}"


def compress(content: bytes) -> bytes:
    """The same slice in another transfer syntax."""
    dataset = pydicom.dcmread(BytesIO(content))
    dataset.compress(RLELossless, generate_instance_uid=False)
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture
def stored(sender: httpx.Client, slices: list[bytes]) -> list[bytes]:
    """Slices that the server keeps."""
    assert store(sender, *slices).status_code == 200
    return slices


@pytest.mark.parametrize(("level", "number"), [("study", 20), ("series", 20), ("object", 1)])
def test_what_was_sent_comes_back(
    sender: httpx.Client, stored: list[bytes], level: str, number: int
) -> None:
    """Bit by bit, each with its transfer syntax."""
    answer = sender.get(name_path(stored[0], level), headers={"Accept": MULTIPART})

    parts = split_parts(answer)
    assert {kind for kind, _ in parts} == {"application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}
    assert {content for _, content in parts} == set(stored[:number])
    assert len(parts) == number


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "multipart/related",
        MULTIPART,
        "multipart/related; type=application/dicom",
        f"{MULTIPART}; transfer-syntax=*",
        f"{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.1",
        f"{MULTIPART}; transfer-syntax=1.2.840.10008.1.2.4.90, {MULTIPART};q=0.5",
        'multipart/related; type="image/jp2", */*;q=0.1',
    ],
)
def test_any_way_to_ask_for_an_envelope(
    sender: httpx.Client, stored: list[bytes], accept: str
) -> None:
    """Those of dicomweb-client, Orthanc, viewers and curl."""
    answer = sender.get(name_path(stored[0], "object"), headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(f"{MULTIPART}; boundary=")
    assert [content for _, content in split_parts(answer)] == [stored[0]]


def test_one_object_without_an_envelope(sender: httpx.Client, stored: list[bytes]) -> None:
    """As curl saves a file; a whole series cannot come so."""
    alone = {"Accept": "application/dicom"}

    one = sender.get(name_path(stored[0], "object"), headers=alone)
    many = sender.get(name_path(stored[0], "series"), headers=alone)

    assert (one.headers["content-type"], one.content) == ("application/dicom", stored[0])
    expect_problem(many, 406, "not-acceptable", "transfer-syntax=*")


def test_compressed_objects_are_sent_as_they_are_kept(
    sender: httpx.Client, slices: list[bytes]
) -> None:
    """To whoever takes that; the others are told how to ask."""
    compressed = compress(slices[0])
    store(sender, compressed)
    path = name_path(compressed, "object")

    plain = sender.get(path, headers={"Accept": MULTIPART})
    named = sender.get(path, headers={"Accept": f"{MULTIPART}; transfer-syntax={RLELossless}"})
    any_syntax = sender.get(path, headers={"Accept": f"{MULTIPART}; transfer-syntax=*"})

    expect_problem(plain, 406, "not-acceptable", RLELossless, "transfer-syntax=*")
    for answer in (named, any_syntax):
        kind = f"application/dicom; transfer-syntax={RLELossless}"
        assert split_parts(answer) == [(kind, compressed)]


@pytest.mark.parametrize(
    "accept", ["text/html", "image/jpeg", 'multipart/related; type="image/jp2"']
)
def test_forms_that_there_are_not(sender: httpx.Client, stored: list[bytes], accept: str) -> None:
    """Pictures are nobody's planning CT."""
    answer = sender.get(name_path(stored[0], "object"), headers={"Accept": accept})

    expect_problem(answer, 406, "not-acceptable", "application/dicom")


@pytest.mark.parametrize(
    "path",
    [
        "studies/1.2.3",
        "studies/1.2.3/series/1.2",
        "studies/1.2.3/series/1.2/instances/1",
        "studies/1.2.3/metadata",
        "studies/../../etc/passwd",
        "studies/%00",
    ],
)
def test_what_is_not_kept_is_not_found(sender: httpx.Client, path: str) -> None:
    """Nor is anything outside of what is kept."""
    assert sender.get(f"/dicom-web/{path}").status_code == 404


def test_an_object_is_not_found_under_another_study(
    sender: httpx.Client, stored: list[bytes], write_series: Callable[..., list[bytes]]
) -> None:
    """An address that contradicts itself."""
    (other, *_) = write_series()
    store(sender, other)
    below = name_path(stored[0], "object").removeprefix(name_path(stored[0], "study"))

    assert sender.get(f"{name_path(other, 'study')}{below}").status_code == 404


@pytest.mark.parametrize(("level", "number"), [("study", 20), ("series", 20), ("object", 1)])
def test_metadata_are_everything_but_pixels(
    sender: httpx.Client, stored: list[bytes], level: str, number: int
) -> None:
    """As DICOM JSON, with every attribute that the file has."""
    answer = sender.get(f"{name_path(stored[0], level)}/metadata", headers={"Accept": JSON})

    assert answer.headers["content-type"] == JSON
    told = [pydicom.Dataset.from_json(json.dumps(one)) for one in answer.json()]
    sent = [pydicom.dcmread(BytesIO(one), stop_before_pixels=True) for one in stored[:number]]
    assert {str(one) for one in told} == {str(pydicom.Dataset(one)) for one in sent}


def test_metadata_in_xml_say_the_same(sender: httpx.Client, stored: list[bytes]) -> None:
    """One document an object."""
    answer = sender.get(f"{name_path(stored[0], 'series')}/metadata", headers={"Accept": XML})

    documents = [ElementTree.fromstring(content) for _, content in split_parts(answer)]
    positions = {
        tuple(value.text for value in attribute)
        for document in documents
        for attribute in document
        if attribute.get("keyword") == "ImagePositionPatient"
    }
    assert (len(documents), len(positions)) == (20, 20)


def test_metadata_in_a_form_that_there_is_not(sender: httpx.Client, stored: list[bytes]) -> None:
    """406, and what there is."""
    address = f"{name_path(stored[0], 'object')}/metadata"

    answer = sender.get(address, headers={"Accept": "application/dicom"})

    expect_problem(answer, 406, "not-acceptable", JSON)


def test_the_newest_content_of_an_object_is_the_one_that_is_given(
    sender: httpx.Client, slices: list[bytes]
) -> None:
    """A corrected slice has the UID of the wrong one."""
    corrected = slices[0].replace(b"Oarlock phantom", b"Oarlock pharynx")
    for content in (slices[0], corrected):
        store(sender, content)

    answer = sender.get(name_path(slices[0], "study"))

    assert [content for _, content in split_parts(answer)] == [corrected]


@pytest.mark.filterwarnings("error")
def test_dicomweb_client_fetches_all_of_it(site: Server, stored: list[bytes]) -> None:
    """By its own defaults, at once and as a stream, without a warning."""
    client = open_dicomweb_client(site)
    header = pydicom.dcmread(BytesIO(stored[0]))
    uids = [header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID]

    study = client.retrieve_study(uids[0])
    series = list(client.iter_series(*uids[:2]))
    instance = client.retrieve_instance(*uids)
    any_syntax = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
    metadata = client.retrieve_series_metadata(*uids[:2])

    assert (len(study), len(series), len(metadata)) == (20, 20, 20)
    assert instance == any_syntax == header
