"""Templates over HTTP: listed, shown, and asked for by jobs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import expect_problem
from tests.service.conftest import Server
from workers.jobs import TERMINAL


def _send(server: Server, files: list[Path], templates: list[str]) -> dict[str, Any]:
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    fields = {"model": "commissioning", "template": templates}
    answer = server.http.post("/v1/jobs", files=parts, data=fields)
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["jobs"][0])


@pytest.fixture(scope="module")
def names() -> list[str]:
    """A shipped template that is no default, and one of the site's own."""
    return ["eclipse", "margins"]


@pytest.fixture(scope="module")
def job(server: Server, names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished job for both."""
    header = SeriesHeader(seed="templates")
    files = write_small_series(tmp_path_factory.mktemp("ct"), header=header)
    return server.wait_for(_send(server, files, names)["id"], *TERMINAL)


def test_the_templates_are_listed_and_shown(server: Server) -> None:
    """A sender sees what a template does before naming it."""
    listed = server.http.get("/v1/templates").json()["templates"]
    shown = server.http.get("/v1/templates/generic").json()

    (summary,) = [template for template in listed if template["name"] == "generic"]
    assert [template["name"] for template in listed if template["is_default"]] == ["generic"]
    assert summary == {key: shown[key] for key in summary}
    assert (shown["name_limit"], shown["holes"]) == (16, "keyhole")


def test_a_template_of_the_sites_own_is_shown_with_its_derived_structures(server: Server) -> None:
    """Whoever wrote it sees how it was understood."""
    shown = server.http.get("/v1/templates/margins").json()

    assert [one["source"] for one in shown["structures"]] == ["Sphere30", "Ball_5mm"]
    (derived,) = shown["derived"]
    assert (derived["name"], derived["kind"]) == ("Ball_5mm", "Expansion")
    assert derived["values"]["of"] == "Sphere30"
    assert derived["values"]["margins"]["superior"] == 5.0


def test_a_template_for_another_model_is_refused_before_the_job(
    server: Server, series: list[Path], nothing_is_kept: None
) -> None:
    """The network would run for minutes, and the margin could not be made in the end."""
    parts = [("files", (file.name, file.read_bytes())) for file in series]

    answer = server.http.post(
        "/v1/jobs", files=parts, data={"model": "commissioning", "template": "other-model"}
    )

    expect_problem(answer, 422, "derivation-failed", "Cord_PRV", "NoSuchCord")


def test_one_job_gives_a_structure_set_for_each_template(
    server: Server, job: dict[str, Any], names: list[str]
) -> None:
    """The network runs once, and every destination gets its own file."""
    contents = [server.http.get(output["rtstruct"]).content for output in job["outputs"]]

    assert job["state"] == "done"
    assert [template["name"] for template in job["templates"]] == names
    assert [output["template"] for output in job["outputs"]] == names
    uids = {pydicom.dcmread(io.BytesIO(content)).SOPInstanceUID for content in contents}
    assert len(uids) == len(names)
    assert {row["template"] for row in job["structures"]} == set(names)


def test_the_order_of_templates_makes_no_other_job(
    server: Server, job: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    """Nor does how they are written: repeated, or parted by commas."""
    files = write_small_series(tmp_path, header=SeriesHeader(seed="templates"))

    again = _send(server, files, [", ".join(reversed(names))])

    assert again["id"] == job["id"]


def test_which_of_several_structure_sets_is_meant_is_not_guessed(
    server: Server, job: dict[str, Any], names: list[str]
) -> None:
    """The wrong names in a planning system are found late."""
    answer = server.http.get(f"/v1/jobs/{job['id']}/rtstruct")

    expect_problem(answer, 400, "invalid-request", "template", *names)


def test_a_template_that_the_job_has_not_is_named(server: Server, job: dict[str, Any]) -> None:
    """The answer says which ones it has."""
    answer = server.http.get(f"/v1/jobs/{job['id']}/rtstruct", params={"template": "generic"})

    expect_problem(answer, 404, "unknown-template", "generic", job["outputs"][0]["template"])


def test_the_report_tells_what_became_of_every_structure(
    server: Server, job: dict[str, Any], names: list[str]
) -> None:
    """What the reviewing physicist opens beside the contours."""
    report = server.http.get(job["links"]["report"]).json()

    assert report["model"]["name"] == "commissioning"
    assert [output["template"] for output in report["outputs"]] == names
    told = [
        {"template": output["template"], **structure}
        for output in report["outputs"]
        for structure in output["structures"]
    ]
    assert told == job["structures"]
    assert all(output["release"]["breaches"] == [] for output in report["outputs"])


def test_a_structure_set_holds_what_its_template_asks_for(
    server: Server, job: dict[str, Any]
) -> None:
    """Names, order and derived structures of the site's own."""
    rows = [row for row in job["structures"] if row["template"] == "margins"]
    content = server.http.get(f"/v1/jobs/{job['id']}/rtstruct", params={"template": "margins"})
    structure_set = pydicom.dcmread(io.BytesIO(content.content))

    assert [(row["name"], row["source"]) for row in rows] == [
        ("Ball", "Sphere30"),
        ("Ball_5mm", "Ball_5mm"),
    ]
    assert [roi.ROIName for roi in structure_set.StructureSetROISequence] == ["Ball", "Ball_5mm"]
    assert rows[0]["volume_cm3"] == pytest.approx(7.24, rel=0.02)  # 12 mm radius
    assert rows[1]["volume_cm3"] == pytest.approx(20.58, rel=0.02)  # 17 mm radius


def test_a_template_with_a_segmentation_has_one_to_fetch(server: Server, tmp_path: Path) -> None:
    """For systems that take no RTSTRUCT."""
    files = write_small_series(tmp_path, header=SeriesHeader(seed="segmentation"))
    job = server.wait_for(_send(server, files, ["with-segmentation"])["id"], *TERMINAL)

    answer = server.http.get(job["outputs"][0]["segmentation"])

    assert answer.headers["content-type"] == "application/dicom"
    assert pydicom.dcmread(io.BytesIO(answer.content)).Modality == "SEG"
