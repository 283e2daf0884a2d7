"""STOW-RS: whatever a sender sends, the answer says what became of it."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pydicom
import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    RTStructureSetStorage,
)

from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import Server
from tests.service.dicomweb.arrivals import count_received, read_uid
from tests.service.dicomweb.bodies import (
    MULTIPART,
    join_parts,
    list_failed,
    list_stored,
    store,
)
from tests.service.dicomweb.peers import ORTHANC, STRANGER, connect

JSON, XML = "application/dicom+json", "application/dicom+xml"
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
CANNOT_UNDERSTAND, PROCESSING_FAILURE = 0xC000, 0x0110


def add_sequence(dataset: pydicom.Dataset) -> None:
    """Of unknown length, ahead of what tells which object it is."""
    item = pydicom.Dataset()
    item.CodeMeaning = "within"
    dataset.AnatomicRegionSequence = [item]
    dataset["AnatomicRegionSequence"].is_undefined_length = True


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", JSON),
        ("", JSON),
        (JSON, JSON),
        ("application/json", JSON),
        (XML, XML),
        (f"{XML};q=0.9, {JSON};q=0.1", XML),
        (f"text/html, {JSON};q=0.5, */*;q=0.1", JSON),
    ],
)
def test_the_answer_is_in_the_form_that_is_asked_for(
    sender: httpx.Client, slices: list[bytes], accept: str, media_type: str
) -> None:
    """Never with a character set beside it: dicomweb-client compares the whole header."""
    answer = store(sender, slices[0], accept=accept)

    assert answer.headers["content-type"] == media_type
    assert answer.content


def test_an_answer_that_cannot_be_given(sender: httpx.Client, slices: list[bytes]) -> None:
    """Better than one that the sender cannot read."""
    answer = store(sender, slices[0], accept="text/html")

    expect_problem(answer, 406, "not-acceptable", JSON)


def test_the_answer_in_xml_says_the_same(sender: httpx.Client, slices: list[bytes]) -> None:
    """The form that dcm4che's stowrs asks for."""
    answer = store(sender, slices[0], b"garbage", accept=XML)

    root = ElementTree.fromstring(answer.content)
    uids = root.findall(f".//{NATIVE}DicomAttribute[@keyword='ReferencedSOPInstanceUID']")
    others = root.findall(f"{NATIVE}DicomAttribute[@keyword='OtherFailuresSequence']")
    assert answer.status_code == 202
    assert [uid.findtext(f"{NATIVE}Value") for uid in uids] == [read_uid(slices[0])]
    assert others[0].findtext(f".//{NATIVE}Value") == str(CANNOT_UNDERSTAND)


def test_the_answer_says_where_to_fetch_what_is_stored(
    sender: httpx.Client, slices: list[bytes]
) -> None:
    """The study, and each object (PS3.18 I.2.1, I.2.2)."""
    module = store(sender, *slices[:2]).json()

    study = sender.get(module["00081190"]["Value"][0])
    (first, _) = module["00081199"]["Value"]
    one = sender.get(first["00081190"]["Value"][0], headers={"Accept": "application/dicom"})
    assert study.status_code == 200
    assert one.content == slices[0]


def test_the_same_object_again_is_a_success(sender: httpx.Client, slices: list[bytes]) -> None:
    """A sender whose answer was lost must be able to send again, and nothing counts twice."""
    answers = [store(sender, *slices, *slices[:3]) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert count_received(sender, slices[0]) == [("receiving", 20)]


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [
        (MRImageStorage, "MR"),
        (BasicTextSRStorage, "SR"),
        (PositronEmissionTomographyImageStorage, "PT"),
        (RTStructureSetStorage, "RTSTRUCT"),
        ("1.2.840.113619.4.26", "OT"),  # a private class
    ],
)
def test_what_is_no_ct_is_acknowledged_and_not_kept(
    site: Server, sender: httpx.Client, slices: list[bytes], sop_class: str, modality: str
) -> None:
    """A sender counts what it sent against what is acknowledged; it is told where it is counted."""

    def change(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
        dataset.Modality = modality

    objects = [change_dataset(one, change) for one in slices[:3]]

    answer = store(sender, *objects)

    assert (answer.status_code, len(list_stored(answer))) == (200, 3)
    assert "00081190" not in answer.text
    assert count_received(sender, objects[0]) == [("ignored", 3)]
    kept = {path.read_bytes() for path in (site.data / "instances").iterdir()}
    assert kept.isdisjoint(objects)


def test_an_object_of_another_study_than_the_one_in_the_address(
    sender: httpx.Client, slices: list[bytes]
) -> None:
    """PS3.18 10.5.1.1: it fails, and is named."""
    study = read_uid(slices[0], "StudyInstanceUID")

    right = store(sender, *slices[:2], study=study)
    wrong = store(sender, *slices[:2], study="1.2.3")

    assert right.status_code == 200
    assert wrong.status_code == 409
    assert list_failed(wrong) == [(read_uid(one), PROCESSING_FAILURE) for one in slices[:2]]
    assert "another study" in wrong.headers["warning"]


def test_garbage_among_good_objects(
    site: Server, sender: httpx.Client, slices: list[bytes]
) -> None:
    """The good ones are stored, and the others are told apart by their number alone."""
    truncated = slices[2][:300]
    in_a_sequence = change_dataset(slices[3], add_sequence)
    in_a_sequence = in_a_sequence[: in_a_sequence.index(b"within") + 3]

    answer = store(sender, b"garbage", slices[0], in_a_sequence, truncated, slices[1])

    assert answer.status_code == 202
    assert list_stored(answer) == [read_uid(one) for one in slices[:2]]
    others = [item["00081197"]["Value"] for item in answer.json()["0008119A"]["Value"]]
    assert others == [[CANNOT_UNDERSTAND]] * 3
    assert "not a DICOM file" in answer.headers["warning"]
    assert not list((site.data / "staging").iterdir())


def test_nothing_but_garbage(sender: httpx.Client) -> None:
    """None is stored: a conflict, with the reasons (PS3.18 Table 10.5.3-1)."""
    answer = store(sender, b"garbage", gzip.compress(b"garbage"))

    assert (answer.status_code, list_stored(answer)) == (409, [])
    assert len(answer.json()["0008119A"]["Value"]) == 2


def test_a_sender_that_nobody_knows(site: Server, slices: list[bytes]) -> None:
    """Where the site says so, unknown senders are refused."""
    with connect(site, STRANGER) as stranger:
        answer = store(stranger, slices[0])

    expect_problem(answer, 403, "forbidden", STRANGER)


def test_a_header_makes_nobody_somebody_else(site: Server, slices: list[bytes]) -> None:
    """Whom a proxy speaks for counts only where the settings say that there is one."""
    forged = {"X-Forwarded-For": STRANGER, "X-Forwarded-Proto": "https"}
    with connect(site, ORTHANC) as known:
        known.headers.update(forged)
        answer = store(known, slices[0])

    assert answer.status_code == 200
    assert "https" not in answer.text


def test_hostile_names_in_a_part_write_nowhere(
    site: Server,
    sender: httpx.Client,
    slices: list[bytes],
) -> None:
    """Files have names of Oarlock's own."""
    headers = 'Content-Disposition: attachment; filename="../../escape.dcm"\r\n'

    answer = sender.post(
        "/dicom-web/studies",
        content=join_parts(slices[0], headers=headers),
        headers={"Content-Type": MULTIPART},
    )

    assert answer.status_code == 200
    assert not list(Path(site.data.parent).rglob("escape*"))
