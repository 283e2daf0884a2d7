"""QIDO-RS: what is kept is found by whatever a client knows of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pydicom
import pytest

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import Server
from tests.service.dicomweb.bodies import store
from tests.service.dicomweb.peers import SILENT, connect, open_dicomweb_client

JSON = "application/dicom+json"
STUDY, SERIES, OBJECT = "0020000D", "0020000E", "00080018"
PATIENT_ID, MODALITIES = "00100020", "00080061"


def build_slice(folder: Path, study: int, series: int, number: int, **values: object) -> bytes:
    """A slice whose UIDs say which it is."""
    root = "2.25.20261122"

    def change(dataset: pydicom.Dataset) -> None:
        dataset.StudyInstanceUID = f"{root}.{study}"
        dataset.SeriesInstanceUID = f"{root}.{study}.{series}"
        dataset.SOPInstanceUID = f"{root}.{study}.{series}.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SeriesNumber, dataset.InstanceNumber = series, number
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    scan = Scan(
        rows=16,
        columns=16,
        row_spacing_mm=4.0,
        column_spacing_mm=4.0,
        slice_offsets_mm=even_offsets(1, 2.5),
    )
    (file,) = write_small_series(folder, scan, header=SeriesHeader(seed="qido"))
    return change_dataset(file.read_bytes(), change)


@pytest.fixture(scope="module")
def http(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that keeps three studies of two patients."""
    folder = tmp_path_factory.mktemp("known")
    jörg = {"PatientID": "QIDO-A", "PatientName": "Müller^Jörg", "AccessionNumber": "A1"}
    anna = {"PatientID": "QIDO-B", "PatientName": "Meier^Anna", "AccessionNumber": "B[1]"}
    first = {"StudyDate": "20260110", "StudyTime": "081500", **jörg}
    objects = [
        *(build_slice(folder, 1, 1, n, SeriesDescription="Plan", **first) for n in (1, 2, 3)),
        *(build_slice(folder, 1, 2, n, SeriesDescription="Lung 2 mm", **first) for n in (1, 2)),
        build_slice(folder, 2, 1, 1, StudyDate="20260220", StudyTime="123000", **jörg),
        build_slice(folder, 3, 1, 1, StudyDate="20260301", StudyTime="235959", **anna),
    ]
    with connect(site, SILENT) as http:
        assert store(http, *objects).status_code == 200
        yield http


def search(http: httpx.Client, path: str, **wanted: str) -> list[dict[str, Any]]:
    """What a search for the two patients finds; their names are no other test's."""
    answer = http.get(f"/dicom-web/{path}", params={"PatientID": "QIDO-*", **wanted})
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()) if answer.content else []


def tell(found: list[dict[str, Any]], tag: str) -> list[Any]:
    """The first value of one attribute of all that is found."""
    return [one[tag]["Value"][0] for one in found]


def count(http: httpx.Client, path: str, **wanted: str) -> int:
    """How much a search finds."""
    return len(search(http, path, **wanted))


def test_all_levels(http: httpx.Client) -> None:
    """Studies, series and objects: of all, of one study, of one series."""
    studies = search(http, "studies", AccessionNumber="A1", StudyDate="20260110")
    (study,) = tell(studies, STUDY)
    series = search(http, f"studies/{study}/series")

    assert count(http, "studies") == 3
    assert count(http, "series") == 4
    assert count(http, "instances") == 7
    assert [one["00201209"]["Value"] for one in series] == [[3], [2]]
    assert studies[0]["00201206"]["Value"] == [2]
    assert studies[0]["00201208"]["Value"] == [5]
    assert count(http, f"studies/{study}/instances") == 5
    first = tell(series, SERIES)[0]
    assert count(http, f"studies/{study}/series/{first}/instances") == 3


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"PatientName": "Müller^Jörg"}, 2),
        ({"PatientName": "müller*"}, 2),
        ({"PatientName": "ME?ER^*"}, 1),
        ({"PatientName": "Müller"}, 0),
        ({"00100010": "Meier^Anna"}, 1),
        ({"AccessionNumber": "B[1]"}, 1),
        ({"AccessionNumber": "b[1]"}, 0),
        ({"AccessionNumber": "?1"}, 2),
        ({"AccessionNumber": ""}, 3),
        ({"AccessionNumber": "*"}, 3),
        ({"StudyDate": "20260110"}, 1),
        ({"StudyDate": "20260110-20260220"}, 2),
        ({"StudyDate": "20260220-"}, 2),
        ({"StudyDate": "-20260109"}, 0),
        ({"StudyTime": "0815-1230"}, 2),
        ({"StudyTime": "13-23"}, 1),
        ({"ModalitiesInStudy": "CT"}, 3),
        ({"ModalitiesInStudy": "RTSTRUCT"}, 0),
        ({"Modality": "CT"}, 3),
        ({"SeriesDescription": "Lung*"}, 1),
        ({"StudyInstanceUID": "2.25.20261122.1,2.25.20261122.3"}, 2),
        ({"StudyInstanceUID": "2.25.20261122.1\\2.25.20261122.3"}, 2),
        ({"StudyInstanceUID": "*"}, 3),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, 3),
    ],
)
def test_any_way_to_match(http: httpx.Client, wanted: dict[str, str], expected: int) -> None:
    """Single values, wild cards, ranges, lists of UIDs; case counts but in names (PS3.4 C.2.2)."""
    assert count(http, "studies", **wanted) == expected


def test_a_search_for_one_object_tells_of_its_whole_study(http: httpx.Client) -> None:
    """Its numbers are those of the study, not of what was asked for."""
    (study,) = search(http, "studies", SOPInstanceUID="2.25.20261122.1.2.1")

    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [5])


def test_a_wild_card_cannot_keep_the_server_busy(http: httpx.Client) -> None:
    """Thirty stars would take a regular expression years."""
    assert count(http, "studies", AccessionNumber="*A" * 30 + "x") == 0


def test_pages_are_parts_of_the_whole(http: httpx.Client) -> None:
    """In the same order each time, and none is left out."""
    whole = tell(search(http, "instances"), OBJECT)

    pages = [
        tell(search(http, "instances", limit="3", offset=str(offset)), OBJECT)
        for offset in range(0, 9, 3)
    ]

    assert [len(page) for page in pages] == [3, 3, 1]
    assert [uid for page in pages for uid in page] == whole
    assert len(set(whole)) == 7


def test_more_attributes_are_told_where_they_are_asked_for(http: httpx.Client) -> None:
    """By keyword or tag, several in one list, or all of them (PS3.18 8.3.4.3)."""
    asked = {"SOPInstanceUID": "2.25.20261122.1.1.1"}

    plain = search(http, "instances", **asked)[0]
    more = search(http, "instances", includefield="PatientPosition,00180050", **asked)[0]
    everything = search(http, "instances", includefield="all", **asked)[0]

    assert "00185100" not in plain
    assert (more["00185100"]["Value"], "00180050" in more) == (["HFS"], True)
    assert {*more} < {*everything}
    assert "7FE00010" not in everything


def test_a_search_across_studies_tells_whose_objects_they_are(http: httpx.Client) -> None:
    """Within a study, the client knows."""
    (across,) = search(http, "instances", SOPInstanceUID="2.25.20261122.1.1.1")
    path = "studies/2.25.20261122.1/series/2.25.20261122.1.1/instances"
    answer = http.get(f"/dicom-web/{path}")

    assert across["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert across["00080060"]["Value"] == ["CT"]
    assert all("00100010" not in one for one in answer.json())


def test_nothing_found_is_an_empty_answer(http: httpx.Client) -> None:
    """204 without a body."""
    answer = http.get("/dicom-web/studies", params={"PatientID": "nobody"})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ("PatientNme=x", "PatientNme"),
        ("00090001=x", "00090001"),
        ("PixelData=x", "PixelData"),
        ("RequestAttributesSequence=x", "RequestAttributesSequence"),
        ("RTPlanLabel=x", "RTPlanLabel"),  # behind all that is read
        ("limit=-1", "limit"),
        ("offset=many", "offset"),
        ("includefield=Nothing", "Nothing"),
        ("PatientID=a&PatientID=b", "PatientID"),
    ],
)
def test_what_a_search_cannot_mean(http: httpx.Client, wanted: str, word: str) -> None:
    """Better than an answer to another question."""
    expect_problem(http.get(f"/dicom-web/studies?{wanted}"), 400, "bad-request", word)


def test_a_study_that_is_not_the_one_in_the_path(http: httpx.Client) -> None:
    """One of both is wrong."""
    answer = http.get("/dicom-web/studies/1.2/series", params={"StudyInstanceUID": "1.3"})

    expect_problem(answer, 400, "bad-request", "StudyInstanceUID")


def test_matching_is_literal_and_says_so(http: httpx.Client) -> None:
    """Whoever asks for fuzzy matching is told (PS3.18 8.3.4.2)."""
    wanted = {"PatientName": "Muller*", "fuzzymatching": "true"}

    answer = http.get("/dicom-web/studies", params=wanted)
    plain = http.get("/dicom-web/studies", params={"fuzzymatching": "false"})

    assert answer.status_code == 204
    assert "fuzzymatching" in answer.headers["warning"]
    assert "warning" not in plain.headers


@pytest.mark.parametrize("accept", [JSON, "application/json", "*/*", f"{JSON}, application/json"])
def test_the_content_type_is_dicoms_own(http: httpx.Client, accept: str) -> None:
    """Without anything beside it."""
    answer = http.get("/dicom-web/studies", headers={"Accept": accept})

    assert answer.headers["content-type"] == JSON


def test_an_answer_in_xml(http: httpx.Client) -> None:
    """One document for each study, also where the address and not the header asks for it."""
    wanted = {"PatientID": "QIDO-A", "accept": "application/dicom+xml"}

    answer = http.get("/dicom-web/studies", params=wanted)

    kind = answer.headers["content-type"]
    assert kind.startswith('multipart/related; type="application/dicom+xml"; boundary=')
    boundary = kind.rpartition("=")[2].encode()
    documents = [part.partition(b"\r\n\r\n")[2] for part in answer.content.split(b"--" + boundary)]
    assert [ElementTree.fromstring(one).tag.endswith("Model") for one in documents if one] == [
        True,
        True,
    ]


def test_a_form_that_there_is_not(http: httpx.Client) -> None:
    """A browser, say, that asks for a page alone."""
    answer = http.get("/dicom-web/studies", headers={"Accept": "text/html"})

    expect_problem(answer, 406, "not-acceptable", JSON)


def test_where_to_fetch_it(http: httpx.Client) -> None:
    """The address in the answer is one that answers."""
    for path in ("studies", "series", "instances"):
        (url, *_) = tell(search(http, path), "00081190")
        assert http.get(url).status_code == 200


@pytest.mark.filterwarnings("error")
def test_dicomweb_client_reads_every_answer(
    site: Server, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a warning of it or of pydicom."""
    client = open_dicomweb_client(site)
    wanted = {"search_filters": {"PatientID": "QIDO-A"}}

    studies = client.search_for_studies(**wanted, fields=["PatientName"], limit=10)
    uid = studies[0][STUDY]["Value"][0]
    series = client.search_for_series(uid, **wanted, get_remaining=True)
    objects = client.search_for_instances(uid, series[0][SERIES]["Value"][0], fuzzymatching=False)
    nothing = client.search_for_studies(search_filters={"PatientID": "nobody"})
    everything = client.search_for_instances(**wanted, fields=["all"])

    assert (len(studies), len(series), len(objects), nothing) == (2, 2, 3, [])
    for found in (*studies, *series, *objects, *everything):
        assert pydicom.Dataset.from_json(json.dumps(found)).StudyInstanceUID.startswith("2.25")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
