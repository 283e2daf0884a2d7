"""Rules decide about what comes in, and are changed under a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import expect_problem
from tests.service.conftest import Server, run_ready_server
from tests.service.dicomweb.bodies import store
from tests.workers.processes import wait_until

SOURCES = """
format: 1
sources:
- {name: simulator, kind: stow, quiet_seconds: 1, sends_whole_series: true}
"""
RULES = """
format: 1
rules:
- {name: phantoms, match: {attribute: PatientID, contains: phantom}, refuse: It is no patient.}
- name: simulated
  match: {not: {attribute: source.name, equals: somebody}}
  model: commissioning
  templates: [eclipse]
  priority: urgent
- name: trial
  match: {attribute: PatientID, equals: SHADOWED}
  model: commissioning
  templates: [raystation]
  mode: shadow
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with rules, in `rules.yaml` beside its data."""
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "sources.yaml").write_text(SOURCES)
    (folder / "rules.yaml").write_text(RULES)
    environment = {
        "OARLOCK_SOURCES": str(folder / "sources.yaml"),
        "OARLOCK_RULES": str(folder / "rules.yaml"),
    }
    with run_ready_server(folder, environment) as server:
        yield server


def send(server: Server, folder: Path, header: SeriesHeader) -> dict[str, Any]:
    """What became of a series that was sent by STOW."""
    files = write_small_series(folder, header=header)
    assert store(server.http, *(file.read_bytes() for file in files)).status_code == 200

    def read() -> dict[str, Any]:
        return dict(server.http.get("/v1/arrivals").json()["arrivals"][0])

    wait_until(lambda: read()["state"] not in ("receiving", "judging"), "the arrival's end")
    return read()


def upload(
    server: Server, folder: Path, header: SeriesHeader, wish: dict[str, str] | None = None
) -> httpx.Response:
    """The answer to a series that is posted as a whole."""
    files = write_small_series(folder, header=header)
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    return server.http.post("/v1/jobs", files=parts, data=wish or {})


def test_a_series_becomes_the_job_that_its_rule_says(ruled: Server, tmp_path: Path) -> None:
    """The sender said nothing of it."""
    arrival = send(ruled, tmp_path, SeriesHeader(patient_id="7", seed="ruled"))

    (job_id,) = arrival["jobs"]
    job = ruled.show(job_id)
    assert job["model"]["name"] == "commissioning"
    assert [template["name"] for template in job["templates"]] == ["eclipse"]
    assert job["priority"] == "urgent"


def test_a_series_that_a_rule_refuses_becomes_no_job(ruled: Server, tmp_path: Path) -> None:
    """Its reason is told where arrivals are listed."""
    arrival = send(ruled, tmp_path, SeriesHeader(seed="refused"))

    assert (arrival["state"], arrival["jobs"]) == ("refused", [])
    assert arrival["reason"] == "It is no patient."


def test_an_upload_that_wishes_for_nothing_goes_by_the_rules(ruled: Server, tmp_path: Path) -> None:
    """A planning system that posts studies need know no model's name."""
    answer = upload(ruled, tmp_path, SeriesHeader(patient_id="8", seed="uploaded"))

    (job,) = answer.json()["jobs"]
    assert job["model"]["name"] == "commissioning"
    assert [template["name"] for template in job["templates"]] == ["eclipse"]
    assert (job["rule"], job["priority"]) == ("simulated", "urgent")


def test_an_upload_that_a_rule_refuses_is_answered_with_its_reason(
    ruled: Server, tmp_path: Path
) -> None:
    """And nothing of it is kept."""
    answer = upload(ruled, tmp_path, SeriesHeader(seed="refused upload"))

    expect_problem(answer, 422, "every-series-refused", "refused-by-rule: It is no patient.")


def test_an_upload_that_names_a_model_gets_it(ruled: Server, tmp_path: Path) -> None:
    """Whoever asks for something has it, whatever the rules say."""
    wish = {"model": "commissioning", "template": "generic"}
    answer = upload(ruled, tmp_path, SeriesHeader(seed="wished"), wish)

    (job,) = answer.json()["jobs"]
    assert [template["name"] for template in job["templates"]] == ["generic"]
    assert (job["rule"], job["priority"]) == ("", "normal")


def test_a_shadow_is_held_against_the_live_job(ruled: Server, tmp_path: Path) -> None:
    """Structure by structure; the same model draws the same."""
    arrival = send(ruled, tmp_path, SeriesHeader(patient_id="SHADOWED", seed="shadowed"))
    jobs = {job["is_shadow"]: job for job in (ruled.show(job_id) for job_id in arrival["jobs"])}
    for job in jobs.values():
        ruled.wait_for(job["id"], "done")

    comparison = ruled.http.get(f"/v1/jobs/{jobs[True]['id']}/comparison").json()

    assert (comparison["other"], comparison["template"]) == (jobs[False]["id"], "raystation")
    compared = {one["name"]: one for one in comparison["structures"]}
    assert compared["Sphere30"]["surface_dice"] == 1.0
    assert compared["Sphere30"]["volume_cm3"] == compared["Sphere30"]["other_volume_cm3"] > 5


def test_jobs_of_two_series_are_not_compared(ruled: Server, tmp_path: Path) -> None:
    """Nor is one without a live one to be held against."""
    ids = [
        upload(ruled, tmp_path / seed, SeriesHeader(patient_id="9", seed=seed)).json()["jobs"][0][
            "id"
        ]
        for seed in ("one", "other")
    ]
    for job_id in ids:
        ruled.wait_for(job_id, "done")

    two = ruled.http.get(f"/v1/jobs/{ids[0]}/comparison", params={"with": ids[1]})
    alone = ruled.http.get(f"/v1/jobs/{ids[0]}/comparison")

    expect_problem(two, 409, "conflict", "different series")
    expect_problem(alone, 409, "conflict", "?with=JOB")


def test_a_broken_file_is_told_wherever_somebody_looks(ruled: Server) -> None:
    """And the rules before it stay in force, until it is mended."""
    file = ruled.data.parent / "rules.yaml"
    before = ruled.http.get("/v1/rules").json()
    file.write_text(RULES.replace("urgent", "at once"))

    wait_until(lambda: ruled.http.get("/v1/rules").json()["fault"], "the fault to be seen")
    shown = ruled.http.get("/v1/rules").json()
    health = ruled.http.get("/health/ready").json()
    metrics = ruled.http.get("/metrics").text

    assert "line 9, rules.1.priority: Input should be 'normal' or 'urgent'." in shown["fault"]
    assert shown["rules"] == before["rules"]
    assert shown["rules"]["rules"][1]["match"]["not"]["attribute"] == "source.name"
    assert (health["status"], health["parts"]["rules"][:11]) == ("degraded", "broken file")
    assert "oarlock_rules_up 0.0" in metrics

    file.write_text(RULES.replace("urgent", "normal"))
    wait_until(lambda: not ruled.http.get("/v1/rules").json()["fault"], "the file to be mended")
    after = ruled.http.get("/v1/rules").json()
    assert after["rules"]["rules"][1]["priority"] == "normal"
    assert after["checksum"] != before["checksum"]
    assert "oarlock_rules_up 1.0" in ruled.http.get("/metrics").text


def test_the_log_tells_nothing_that_a_rule_found(ruled: Server, tmp_path: Path) -> None:
    """What is compared is the patient's."""
    header = SeriesHeader(patient_name="Doe^Jane", patient_id="SECRET-PHANTOM", seed="log")
    files = write_small_series(tmp_path, header=header)
    send(ruled, tmp_path / "again", header)
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    tried = ruled.http.post("/v1/rules/test", files=parts)

    log = (ruled.data.parent / "server.log").read_text()

    assert "SECRET-PHANTOM" in tried.text
    assert "SECRET" not in log
    assert "Jane" not in log
