"""An object over a limit that is no CT is left out and named; it costs nobody the series."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, EncapsulatedPDFStorage, RTDoseStorage

from tests.hostile.crafted_dicom import deflate, find_dataset, nest, write_ct, write_element
from tests.service.answers import expect_problem
from tests.service.conftest import Server

Zipper = Callable[[dict[str, bytes]], bytes]

REPORT = write_ct(nest(33), sop_class=EncapsulatedPDFStorage)
LARGE_DOSE = write_ct(
    write_element(0x00990010, "OB", bytes(17 * 2**20)), sop_class=RTDoseStorage, sizes=(4000,) * 3
)
PACKED_DOSE = deflate(find_dataset(write_ct(pixels=bytes(20 * 2**20), sop_class=RTDoseStorage)))
SLICE = write_ct(nest(33), sop_class=CTImageStorage)
OTHERS = {
    "report.dcm": (
        REPORT,
        "not a CT image (Encapsulated PDF Storage), and not read, for its sequences are nested "
        "deeper than 32",
    ),
    "large.dcm": (
        LARGE_DOSE,
        "not a CT image (RT Dose Storage), and not read, for its element (0099,0010) is "
        "17825792 bytes, over 16777216",
    ),
    "packed.dcm": (
        PACKED_DOSE,
        "not a CT image (RT Dose Storage), and not read, for it inflates to more than "
        "16777216 bytes",
    ),
}


def _list_files(files: list[Path], **others: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    own = {file.name: file.read_bytes() for file in files}
    named = {f"{name}.dcm": content for name, content in others.items()}
    return [("files", (name, content)) for name, content in {**own, **named}.items()]


@pytest.mark.parametrize("name", OTHERS)
def test_the_series_beside_it_becomes_a_job(server: Server, series: list[Path], name: str) -> None:
    """A study is sent whole, with what else is in it."""
    content, words = OTHERS[name]

    answer = server.http.post(
        "/v1/jobs",
        files=_list_files(series, **{name.removesuffix(".dcm"): content}),
        data={"model": "commissioning"},
    )

    assert answer.status_code == 202, answer.text
    assert answer.json()["ignored"] == [f"{name}: {words}"]
    assert len(answer.json()["jobs"]) == 1


@pytest.mark.parametrize("path", ["/v1/check", "/v1/rules/test"])
@pytest.mark.parametrize("is_zipped", [False, True])
def test_it_is_named_by_whoever_judges_the_series(
    server: Server, series: list[Path], build_zip: Zipper, path: str, is_zipped: bool
) -> None:
    """Also where it comes in a zip."""
    files: Any = _list_files(series, report=REPORT)
    if is_zipped:
        files = {"files": ("study.zip", build_zip({name: one for _, (name, one) in files}))}

    answer = server.http.post(path, files=files)

    assert answer.status_code == 200, answer.text
    (line,) = answer.json()["ignored"]
    assert line.endswith(f"report.dcm: {OTHERS['report.dcm'][1]}")


def test_nothing_but_such_objects_is_no_series(server: Server) -> None:
    """And that is said of what they are."""
    answer = server.http.post("/v1/jobs", files=_list_files([], report=REPORT))

    expect_problem(answer, 422, "no-ct-series", "report.dcm: not a CT image (Encapsulated PDF")


def test_a_slice_over_a_limit_refuses_its_series(server: Server, series: list[Path]) -> None:
    """A scan without one of its slices is another scan."""
    answer = server.http.post("/v1/jobs", files=_list_files(series, bomb=SLICE))

    expect_problem(answer, 422, "dicom-limit", "bomb.dcm", "nested deeper than 32")


def test_what_does_not_say_what_it_is_refuses_it_too(server: Server, series: list[Path]) -> None:
    """It may be a slice."""
    nameless = write_ct(nest(33), sop_class="")

    answer = server.http.post("/v1/jobs", files=_list_files(series, bomb=nameless))

    expect_problem(answer, 422, "dicom-limit", "bomb.dcm", "nested deeper than 32")


def test_a_structure_set_that_is_to_be_linted_is_refused(server: Server) -> None:
    """There is nothing beside it."""
    answer = server.http.post("/v1/lint", files={"file": ("plan.dcm", REPORT)})

    expect_problem(answer, 422, "dicom-limit", "plan.dcm", "nested deeper than 32")
