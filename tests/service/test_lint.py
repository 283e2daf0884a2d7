"""POST /v1/lint: what is wrong with anybody's structure set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import MEBIBYTE, Server

Zipper = Callable[[dict[str, bytes]], bytes]
Parts = list[tuple[str, tuple[str, bytes]]]


@pytest.fixture
def rtstruct(server: Server, series: list[Path]) -> bytes:
    """The structure set of a finished job."""
    sent = server.http.post(
        "/v1/jobs", files=_build_parts("files", _read(series)), data={"model": "commissioning"}
    )
    job = server.wait_for(sent.json()["jobs"][0]["id"], "done", "failed")
    return server.http.get(job["links"]["rtstruct"]).content


def _build_parts(name: str, files: Mapping[str, bytes]) -> Parts:
    return [(name, (shown, content)) for shown, content in files.items()]


def _post(server: Server, parts: Parts, **fields: str) -> httpx.Response:
    return server.http.post("/v1/lint", files=parts, data=fields)


def _lint(server: Server, rtstruct: bytes, ct: Mapping[str, bytes] | None = None) -> dict[str, Any]:
    parts = [*_build_parts("file", {"rt.dcm": rtstruct}), *_build_parts("ct", ct or {})]
    answer = _post(server, parts)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _read(files: list[Path]) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files}


def test_a_structure_set_of_our_own_has_no_errors(
    server: Server, rtstruct: bytes, series: list[Path], nothing_is_kept: None
) -> None:
    """With its CT, packed or not; the answer names the series it was compared with."""
    linted = _lint(server, rtstruct, _read(series))

    assert linted["counts"]["error"] == 0
    assert linted["series_instance_uid"] == pydicom.dcmread(series[0]).SeriesInstanceUID


def test_a_structure_set_is_linted_without_its_ct(
    server: Server, rtstruct: bytes, nothing_is_kept: None
) -> None:
    """The format can be judged alone."""
    linted = _lint(server, rtstruct)

    assert (linted["counts"]["error"], linted["series_instance_uid"]) == (0, None)


def test_the_ct_may_be_a_zip(
    server: Server,
    rtstruct: bytes,
    series: list[Path],
    build_zip: Zipper,
    nothing_is_kept: None,
) -> None:
    """As for a job; the structure set beside it is no part of it."""
    linted = _lint(server, rtstruct, {"ct.zip": build_zip(_read(series))})

    assert linted == _lint(server, rtstruct, _read(series))


def test_of_several_series_the_one_it_names_is_taken(
    server: Server,
    rtstruct: bytes,
    series: list[Path],
    tmp_path: Path,
    nothing_is_kept: None,
) -> None:
    """A study's folder often holds more than the planning CT."""
    other = write_small_series(tmp_path / "other", header=SeriesHeader(seed="another series"))
    files = _read(series) | {f"other-{name}": content for name, content in _read(other).items()}

    linted = _lint(server, rtstruct, files)

    assert linted["series_instance_uid"] == pydicom.dcmread(series[0]).SeriesInstanceUID


def test_an_error_is_explained_with_its_clause(
    server: Server, series: list[Path], nothing_is_kept: None
) -> None:
    """A CT slice is DICOM, but no structure set."""
    linted = _lint(server, series[0].read_bytes())

    worst = linted["findings"][0]
    assert linted["counts"]["error"] >= 1
    assert worst["severity"] == "error"
    assert worst["clause"].startswith("PS3.3")
    assert "" not in (worst["rule"], worst["where"], worst["text"])


def test_a_file_that_is_not_dicom_is_a_problem(server: Server, nothing_is_kept: None) -> None:
    """Named as its sender knows it."""
    answer = _post(server, _build_parts("file", {"report.pdf": b"%PDF-1.7"}))

    expect_problem(answer, 415, "not-dicom", "report.pdf", "RTSTRUCT")


def test_a_ct_that_cannot_be_used_is_a_problem(
    server: Server, series: list[Path], nothing_is_kept: None
) -> None:
    """Nothing can be compared with a series that has a hole."""
    files = _read(series)
    content = files.pop("CT0010.dcm")
    parts = [*_build_parts("file", {"rt.dcm": content}), *_build_parts("ct", files)]

    expect_problem(
        _post(server, parts), 422, "series-refused", "missing-slice: ", "Nothing was linted"
    )


def test_a_series_that_it_does_not_name_is_not_guessed(
    server: Server, series: list[Path], tmp_path: Path, nothing_is_kept: None
) -> None:
    """Contours compared with the wrong scan would look wrong, or worse, right."""

    def rename(dataset: pydicom.Dataset) -> None:
        dataset.SeriesInstanceUID = "1.2.3"

    other = write_small_series(tmp_path / "other", header=SeriesHeader(seed="another series"))
    files = _read(series) | {f"other-{name}": content for name, content in _read(other).items()}
    stranger = change_dataset(series[0].read_bytes(), rename)
    parts = [*_build_parts("file", {"rt.dcm": stranger}), *_build_parts("ct", files)]

    expect_problem(_post(server, parts), 422, "series-refused", "several series")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], ["file", "not 0"]),
        (["file", "file"], ["file", "not 2"]),
        (["file", "files"], ["files", "not known"]),
    ],
)
def test_parts_that_are_not_asked_for_are_a_problem(
    server: Server, names: list[str], words: list[str], nothing_is_kept: None
) -> None:
    """With a CT under another name the geometry would be left out in silence."""
    parts = [part for name in names for part in _build_parts(name, {"rt.dcm": b"x"})]
    content = {"other": ("", b"")} if not parts else None

    answer = server.http.post("/v1/lint", files=parts or content)

    expect_problem(answer, 400, "invalid-request", *words)


def test_a_field_is_a_problem(server: Server, nothing_is_kept: None) -> None:
    """A path in place of a file, say."""
    answer = _post(server, _build_parts("file", {"rt.dcm": b"x"}), ct="/data/ct")

    expect_problem(answer, 400, "invalid-request", "ct")


def test_a_structure_set_of_any_size_does_not_fill_the_memory(
    server: Server, nothing_is_kept: None
) -> None:
    """It is read whole, unlike a series; the limit is a setting."""
    answer = _post(server, _build_parts("file", {"large.dcm": bytes(MEBIBYTE + 1)}))

    expect_problem(answer, 413, "upload-too-large", "large.dcm", str(MEBIBYTE))
