"""POST /v1/check: the verdict of a job, without the job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import MEBIBYTE, Server

Zipper = Callable[[dict[str, bytes]], bytes]

pytestmark = pytest.mark.usefixtures("nothing_is_kept")


def _check(server: Server, files: dict[str, bytes], **fields: str) -> dict[str, Any]:
    parts = [("files", (name, content)) for name, content in files.items()]
    answer = server.http.post("/v1/check", files=parts, data=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _read(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def test_a_good_series_is_accepted(server: Server, series: list[Path]) -> None:
    """A planning system asks before it sends a series for contouring."""
    checked = _check(server, _read(series))

    (verdict,) = checked["verdicts"]
    assert (verdict["outcome"], verdict["refusal"], verdict["slices"]) == ("accepted", None, 20)
    assert verdict["series_instance_uid"] == pydicom.dcmread(series[0]).SeriesInstanceUID
    assert checked["ignored"] == []


def test_a_zip_is_judged_like_its_files(
    server: Server, series: list[Path], build_zip: Zipper
) -> None:
    """The upload is the one of a job."""
    whole = _check(server, _read(series))

    assert _check(server, {"ct.zip": build_zip(_read(series))}) == whole


def test_the_fields_of_a_job_are_allowed(server: Server, series: list[Path]) -> None:
    """The same request is sent to the other address and nothing else changes."""
    checked = _check(server, _read(series), model="hn-oar", template="generic", priority="urgent")

    assert [verdict["outcome"] for verdict in checked["verdicts"]] == ["accepted"]


def test_what_headers_tell_is_a_refusal_with_its_place(server: Server, series: list[Path]) -> None:
    """The sender must see which slice is missing."""
    del series[9]

    (verdict,) = _check(server, _read(series))["verdicts"]

    assert verdict["outcome"] == "refused"
    assert verdict["refusal"]["name"] == "missing-slice"
    assert "z = " in verdict["refusal"]["text"]
    assert verdict["description"] == "Oarlock phantom"


def test_what_only_pixels_tell_is_a_refusal_too(server: Server, series: list[Path]) -> None:
    """A job would end refused: the check says so before."""

    def truncate(dataset: pydicom.Dataset) -> None:
        dataset.PixelData = dataset.PixelData[:100]

    files = _read(series)
    files["CT0004.dcm"] = change_dataset(files["CT0004.dcm"], truncate)

    (verdict,) = _check(server, files)["verdicts"]

    assert verdict["outcome"] == "refused"
    assert "CT0004.dcm" in verdict["refusal"]["text"]


def test_each_series_has_its_own_verdict(
    server: Server, series: list[Path], tmp_path: Path
) -> None:
    """One bad series does not hide the good one, and what is no slice is named."""
    gap = write_small_series(tmp_path / "gap", header=SeriesHeader(seed="gap"))
    del gap[9]
    files = _read(series) | {f"gap-{name}": content for name, content in _read(gap).items()}

    checked = _check(server, files | {"notes.txt": b"not a slice"})

    assert sorted(verdict["outcome"] for verdict in checked["verdicts"]) == ["accepted", "refused"]
    assert checked["ignored"] == ["notes.txt: not a DICOM file"]


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("report.pdf", b"%PDF-1.7", 415, "not-dicom"),
        ("ct.zip", b"PK\x03\x04 and no more", 400, "broken-zip"),
        ("large.dcm", bytes(65 * MEBIBYTE), 413, "upload-too-large"),
    ],
)
def test_what_cannot_be_judged_is_a_problem(
    server: Server, name: str, content: bytes, status: int, code: str
) -> None:
    """The limits of a job hold here, too."""
    answer = server.http.post("/v1/check", files={"files": (name, content)})

    expect_problem(answer, status, code)


def test_a_misspelt_field_is_a_problem(server: Server, series: list[Path]) -> None:
    """A job would refuse it, so the check does."""
    answer = server.http.post(
        "/v1/check", files={"files": series[0].read_bytes()}, data={"modle": "hn-oar"}
    )

    expect_problem(answer, 400, "invalid-request", "modle")
