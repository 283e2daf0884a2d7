"""What must be refused is refused with its reason, writes nothing, and the server goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pydicom
import pytest
from pydicom.uid import MRImageStorage

from contouring.phantom_series import SeriesHeader
from tests.hostile.crafted_dicom import nest_deeply, write_ct
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import Server
from tests.workers.processes import wait_until

Zipper = Callable[[dict[str, bytes]], bytes]
FORM = "multipart/form-data; boundary=b"


pytestmark = pytest.mark.usefixtures("nothing_is_kept")


def _post(server: Server, files: dict[str, bytes], **fields: str) -> httpx.Response:
    parts = [("files", (name, content)) for name, content in files.items()]
    return server.http.post("/v1/jobs", files=parts, data={"model": "commissioning"} | fields)


def _read(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def test_an_upload_without_files(server: Server) -> None:
    """A form whose file field was left empty."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"
    )

    answer = server.http.post("/v1/jobs", content=body, headers={"Content-Type": FORM})

    expect_problem(answer, 400, "empty-upload", "no file")


def test_a_file_without_content(server: Server) -> None:
    """A named file is not dropped in silence: it may have been a slice."""
    expect_problem(_post(server, {"CT0007.dcm": b""}), 415, "not-dicom", "CT0007.dcm")


def test_a_body_that_is_no_form(server: Server) -> None:
    """JSON, say."""
    expect_problem(
        server.http.post("/v1/jobs", json={}), 415, "wrong-body-type", "application/json"
    )


def test_a_form_that_ends_too_early(server: Server) -> None:
    """A connection through a proxy that cuts it."""
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc'

    answer = server.http.post("/v1/jobs", content=body, headers={"Content-Type": FORM})

    expect_problem(answer, 400, "broken-upload", "ends before")


def test_files_that_are_not_dicom(server: Server) -> None:
    """The file is named as its sender knows it, however it is spelt."""
    answer = _post(server, {"../../etc/report.pdf": b"%PDF-1.7"})

    expect_problem(answer, 415, "not-dicom", "report.pdf")


def test_too_many_files(server: Server) -> None:
    """The limit is a setting."""
    answer = _post(server, {f"{number}.dcm": b"x" for number in range(201)})

    expect_problem(answer, 413, "upload-too-large", "200")


def test_too_many_bytes(server: Server) -> None:
    """Refused from the length that the request announces."""
    answer = _post(server, {"large.dcm": bytes(65 * 2**20)})

    expect_problem(answer, 413, "upload-too-large", str(64 * 2**20))


def test_too_many_bytes_without_a_length(server: Server) -> None:
    """A chunked body announces nothing, so what arrives is counted."""

    def pieces() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(65):
            yield bytes(2**20)

    answer = server.http.post("/v1/jobs", content=pieces(), headers={"Content-Type": FORM})

    expect_problem(answer, 413, "upload-too-large", str(64 * 2**20))


def test_an_image_that_is_not_a_ct(server: Server, series: list[Path]) -> None:
    """MR has no Hounsfield units."""

    def make_mr(dataset: pydicom.Dataset) -> None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = MRImageStorage

    files = {name: change_dataset(content, make_mr) for name, content in _read(series).items()}

    expect_problem(_post(server, files), 422, "no-ct-series", "MR Image", "CT0001.dcm")


def test_a_scout_only(server: Server, series: list[Path]) -> None:
    """A localizer is a CT image, but no slice."""

    def make_scout(dataset: pydicom.Dataset) -> None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    content = change_dataset(series[0].read_bytes(), make_scout)

    expect_problem(_post(server, {"scout.dcm": content}), 422, "no-ct-series", "scout.dcm", "scout")


def test_a_series_without_positions(server: Server, series: list[Path]) -> None:
    """Nothing else says where a slice is."""

    def remove_position(dataset: pydicom.Dataset) -> None:
        del dataset.ImagePositionPatient

    files = {
        name: change_dataset(content, remove_position) for name, content in _read(series).items()
    }

    answer = _post(server, files)

    expect_problem(answer, 422, "every-series-refused", "ImagePositionPatient", "CT0001.dcm")
    assert len(answer.json()["errors"]) == 1


def test_two_patients_in_one_upload(server: Server, series: list[Path], tmp_path: Path) -> None:
    """The worst mix-up there is."""
    header = SeriesHeader(seed="other", patient_id="ANOTHER")
    other = write_small_series(tmp_path / "other", header=header)
    files = _read(series) | {f"other-{name}": content for name, content in _read(other).items()}

    expect_problem(_post(server, files), 422, "mixed-patients", "other-CT", "CT0001.dcm")


def test_a_model_that_is_not_there(server: Server, series: list[Path]) -> None:
    """The answer names those that are."""
    answer = _post(server, _read(series), model="no-such-model")

    expect_problem(answer, 404, "unknown-model", "no-such-model", "commissioning")


def test_a_template_that_is_not_there(server: Server, series: list[Path]) -> None:
    """Likewise; with one of several misspelt, nothing runs."""
    answer = _post(server, _read(series), template="generic,no-such-template")

    expect_problem(answer, 404, "unknown-template", "no-such-template", "generic")


def test_a_field_that_is_given_twice(server: Server, series: list[Path]) -> None:
    """Which of two models is meant is not guessed."""
    parts = [("files", (file.name, file.read_bytes())) for file in series]
    fields = {"model": ["hn-oar", "commissioning"]}

    answer = server.http.post("/v1/jobs", files=parts, data=fields)

    expect_problem(answer, 400, "invalid-request", "model", "2 times")


def test_a_priority_that_is_not_there(server: Server, series: list[Path]) -> None:
    """The answer names the field and the values it may have."""
    answer = _post(server, _read(series), priority="at once")

    expect_problem(answer, 400, "invalid-request", "priority", "normal", "urgent")


def test_a_field_that_is_not_there(server: Server, series: list[Path]) -> None:
    """A misspelt `model` would run the default one in silence."""
    expect_problem(_post(server, _read(series), modle="hn-oar"), 400, "invalid-request", "modle")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/jobs/none", 404, "unknown-job"),
        ("GET", "/v1/jobs/none/events", 404, "unknown-job"),
        ("GET", "/v1/jobs/none/rtstruct", 404, "unknown-job"),
        ("DELETE", "/v1/jobs/none", 404, "unknown-job"),
        ("POST", "/v1/jobs/none/retry", 404, "unknown-job"),
        ("GET", "/v1/jobs/none/segmentation", 404, "unknown-job"),
        ("GET", "/v1/jobs/none/report", 404, "unknown-job"),
        ("GET", "/v1/models/none", 404, "unknown-model"),
        ("GET", "/v1/templates/none", 404, "unknown-template"),
        ("GET", "/v1/jobs?limit=0", 400, "invalid-request"),
        ("GET", "/v1/jobs?state=lost", 400, "invalid-request"),
        ("GET", "/v1/jobs?after=none", 404, "unknown-job"),
        ("GET", "/nowhere", 404, "not-found"),
        ("PUT", "/v1/jobs", 405, "method-not-allowed"),
        ("GET", "/v1/jobs/", 404, "not-found"),
        ("GET", "/v1/arrivals?after=none", 404, "unknown-arrival"),
        ("GET", "/v1/arrivals?after=", 404, "unknown-arrival"),
        ("GET", "/dicom-web/studies?accept=text/html", 406, "not-acceptable"),
    ],
)
def test_a_request_that_cannot_be_met(
    server: Server, method: str, path: str, status: int, code: str
) -> None:
    """Every answer is a problem, also those that the framework gives."""
    expect_problem(server.http.request(method, path), status, code)


def test_a_path_names_every_method_that_it_has(server: Server) -> None:
    """Starlette names those of the path's first route (RFC 9110 15.5.6)."""
    jobs = server.http.put("/v1/jobs")
    hold = server.http.get("/v1/jobs/none/legal-hold")

    assert jobs.headers["Allow"] == "GET, POST"
    assert hold.headers["Allow"] == "DELETE, PUT"


def test_a_problem_shows_no_control_characters(server: Server) -> None:
    """They would steer the terminal of whoever reads it; and a megabyte would flood it."""
    shown = server.http.get("/dicom-web/studies", params={"accept": f"\x1b[2J{'a' * 9000}"})
    job = server.http.get("/v1/jobs/%1b%5b2J%c2%85")

    assert "[2Jaaa" in shown.json()["detail"]
    assert "[2J" in job.json()["detail"]
    assert len(shown.json()["detail"]) < 500
    assert shown.json()["detail"].isprintable()
    assert job.json()["detail"].isprintable()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/v1/jobs", "files"),
        ("/v1/check", "files"),
        ("/v1/lint", "file"),
        ("/v1/rules/test", "files"),
    ],
)
@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_file_that_costs_too_much_is_not_read(
    server: Server, build_zip: Zipper, path: str, part: str, is_zipped: bool
) -> None:
    """By whichever route it comes, and whatever lies about it."""
    name, content = "bomb.dcm", write_ct(nest_deeply(1000))
    if is_zipped:
        part = "ct" if part == "file" else part
        name, content = "bomb.zip", build_zip({"bomb.dcm": content})
    files = [(part, (name, content))]
    if part == "ct":
        files.append(("file", ("structures.dcm", write_ct())))

    answer = server.http.post(path, files=files)

    expect_problem(answer, 422, "dicom-limit", "bomb.dcm", "nested deeper than 32")


@pytest.mark.parametrize(
    "value", ["a\r\nX-Injected: yes", "\0", "../../x", "<b>", "a" * 5000, "é\u202e"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs/{}",
        "/v1/jobs/{}/rtstruct",
        "/v1/jobs?state={}",
        "/v1/jobs?series_instance_uid={}",
        "/v1/jobs?after={}",
        "/v1/models/{}",
        "/v1/templates/{}",
        "/dicom-web/studies?StudyInstanceUID={}",
        "/dicom-web/studies/{}/metadata",
        "/dicom-web/studies?accept={}",
    ],
)
def test_no_parameter_becomes_a_header_or_a_path(server: Server, path: str, value: str) -> None:
    """It is answered as what it is, a name that nobody has."""
    answer = server.http.get(path.format(quote(value, safe="")))

    assert answer.status_code // 100 in (2, 4)
    assert "x-injected" not in answer.headers
    assert "html" not in answer.headers.get("content-type", "")
    assert "root:" not in answer.text


def test_a_client_that_hangs_up(server: Server, series: list[Path]) -> None:
    """Half an upload is no upload."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: oarlock\r\nX-API-Key: {KEY}\r\n"
        "Content-Length: 9999999\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    )

    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + series[0].read_bytes())
        wait_until(lambda: bool(list((server.data / "staging").iterdir())), "the upload to begin")

    wait_until(lambda: not list((server.data / "staging").iterdir()), "it to be thrown away")
