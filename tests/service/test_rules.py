"""/v1/rules: the rules in force, and a trial of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contouring.phantom_series import SeriesHeader
from tests.phantoms import write_small_series
from tests.service.answers import expect_problem
from tests.service.conftest import Server

pytestmark = pytest.mark.usefixtures("nothing_is_kept")

RULES = b"""
format: 1
rules:
- {name: phantoms, match: {attribute: PatientID, contains: phantom}, refuse: It is no patient.}
- name: from-simulator
  match: {attribute: source.name, equals: simulator}
  model: commissioning
  templates: [margins]
"""


def try_rules(server: Server, files: list[Path], rules: bytes, **fields: str) -> dict[str, Any]:
    """The answer to a trial."""
    parts = [("files", (file.name, file.read_bytes())) for file in files]
    answer = server.http.post(
        "/v1/rules/test", files=[*parts, ("rules", ("site.yaml", rules))], data=fields
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_rules_in_force_are_shown(server: Server) -> None:
    """This server has no file."""
    shown = server.http.get("/v1/rules").json()

    assert (shown["checksum"], shown["fault"]) == (None, None)
    assert shown["rules"]["rules"] == []
    assert shown["rules"]["default"]["model"] is None


def test_a_trial_tells_which_rule_refuses_and_why(server: Server, series: list[Path]) -> None:
    """With what was asked and what was found."""
    (tried,) = try_rules(server, series, RULES)["series"]

    assert (tried["refusal"], tried["refused_by"]) == ("It is no patient.", "phantoms")
    assert tried["jobs"] == []
    assert tried["body_part"] == "head-and-neck"
    assert [(rule["rule"], rule["standing"]) for rule in tried["rules"]] == [
        ("phantoms", "applies"),
        ("from-simulator", "does-not-match"),
        ("default", "passed-over"),
    ]
    assert tried["rules"][0]["because"] == [
        {
            "attribute": "PatientID",
            "wanted": 'containing "phantom"',
            "found": ["OARLOCK-PHANTOM"],
        }
    ]


def test_a_trial_tells_what_would_happen(server: Server, tmp_path: Path) -> None:
    """As if that sender had sent it; where a rule leaves it open, the server's defaults."""
    files = write_small_series(tmp_path, header=SeriesHeader(patient_id="7"))

    (ruled,) = try_rules(server, files, RULES, source="simulator")["series"]
    (other,) = try_rules(server, files, RULES, source="somebody", source_kind="stow")["series"]

    assert ruled["jobs"] == [
        {
            "rule": "from-simulator",
            "model": "commissioning",
            "templates": ["margins"],
            "priority": "normal",
            "mode": "live",
            "deliveries": [],
        }
    ]
    assert [(job["rule"], job["model"], job["templates"]) for job in other["jobs"]] == [
        ("default", "hn-oar", ["generic"])
    ]


def test_without_a_file_the_rules_in_force_are_tried(
    server: Server, series: list[Path], build_zip: Callable[[dict[str, bytes]], bytes]
) -> None:
    """A zip is tried like its files."""
    content = build_zip({file.name: file.read_bytes() for file in series})

    answer = server.http.post("/v1/rules/test", files={"files": ("ct.zip", content)}).json()

    assert answer["checksum"] is None
    assert [job["rule"] for job in answer["series"][0]["jobs"]] == ["default"]


def test_a_series_that_cannot_be_contoured_comes_before_no_rule(
    server: Server, series: list[Path]
) -> None:
    """It is told why, as a check does."""
    del series[9]

    tried = try_rules(server, series, RULES)

    assert tried["series"] == []
    assert [one["refusal"]["name"] for one in tried["refused"]] == ["missing-slice"]


def test_a_wrong_rule_file_is_a_problem_with_every_line(server: Server, series: list[Path]) -> None:
    """Also names that this server does not have."""
    rules = b"format: 1\nrules:\n- name: a\n  match: {any: []}\n  model: liver\n"

    answer = server.http.post(
        "/v1/rules/test",
        files=[("files", series[0].read_bytes()), ("rules", ("site.yaml", rules))],
    )

    expect_problem(answer, 422, "invalid-configuration", "site.yaml cannot be used")
    assert [fault.split(":")[0] for fault in answer.json()["errors"]] == [
        "line 5, rules.0.model",
        "line 4, rules.0.match.any",
    ]


@pytest.mark.parametrize(
    ("parts", "fields", "status", "code", "said"),
    [
        ([("rules", b"format: 1\n")], {}, 400, "empty-upload", "no file"),
        ([("files", b"x")], {"sauce": "a"}, 400, "invalid-request", "sauce"),
        ([("files", b"x")], {"source_kind": "mail"}, 400, "invalid-request", "source_kind"),
        ([("rules", b"a"), ("rules", b"b"), ("files", b"x")], {}, 400, "invalid-request", "rules"),
        ([("rules", bytes(300_000)), ("files", b"x")], {}, 413, "upload-too-large", "262144"),
        ([("files", b"x")], {}, 415, "not-dicom", "CT slices"),
    ],
)
def test_a_trial_that_cannot_be_made_is_a_problem(
    server: Server,
    parts: list[tuple[str, bytes]],
    fields: dict[str, str],
    status: int,
    code: str,
    said: str,
) -> None:
    """Whatever was left out or misspelt."""
    files = [(name, (f"{name}.dat", content)) for name, content in parts]

    answer = server.http.post("/v1/rules/test", files=files, data=fields)

    expect_problem(answer, status, code, said)
