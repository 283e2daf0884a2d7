"""`oarlock rules` tells what rules say, before they decide about anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contouring.phantom_series import SeriesHeader
from tests.cli.shell import run
from tests.phantoms import write_small_series

RULES = """
format: 1
rules:
- {name: phantoms, match: {attribute: PatientID, regex: ^QA-}, refuse: It is no patient.}
- name: neck
  match:
    all:
    - {attribute: body_part, equals: head-and-neck}
    - {attribute: source.name, equals: simulator}
  model: hn-oar
  templates: [eclipse]
  priority: urgent
- {name: old, enabled: false, match: {attribute: Modality, equals: CT}}
- {name: next, mode: shadow, match: {attribute: Modality, equals: CT}, model: commissioning}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A rule file."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """A folder with a series."""
    write_small_series(tmp_path / "ct")
    return tmp_path / "ct"


def test_a_trial_shows_each_rule_with_why_and_what_would_happen(rules: Path, ct: Path) -> None:
    """On a terminal of 80 columns."""
    done = run("rules", "test", ct, "--rules", rules, "--source", "simulator", COLUMNS="80")

    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "body part: head-and-neck (BodyPartExamined says head-and-neck)" in lines
    assert "✘ phantoms PatientID matching /^QA-/ OARLOCK-PHANTOM" in lines
    assert '✔ neck body_part equal to "head-and-neck" head-and-neck' in lines
    assert 'source.name equal to "simulator" simulator' in lines
    assert "○ old switched off" in lines
    assert '◐ next Modality equal to "CT" CT' in lines
    assert "– default would match, but another rule counts" in lines
    assert "→ a job of neck: hn-oar, urgent" in lines
    assert "templates: eclipse" in lines
    assert "→ a job in shadow of next: commissioning, normal" in lines
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_a_rule_that_does_not_match_says_what_it_lacks(rules: Path, ct: Path) -> None:
    """Only that: what was as asked would lead astray."""
    done = run("rules", "test", ct, "--rules", rules)

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert '✘ neck source.name equal to "simulator" missing' in lines
    assert "✔ default no other rule counts" in lines


def test_a_refused_series_leaves_with_2(rules: Path, tmp_path: Path) -> None:
    """A script that files series away must see it."""
    write_small_series(tmp_path / "qa", header=SeriesHeader(patient_id="QA-7"))

    done = run("rules", "test", tmp_path / "qa", "--rules", rules)

    assert done.returncode == 2
    assert "→ no job: phantoms refuses: It is no patient." in done.stdout


def test_a_series_that_cannot_be_contoured_leaves_with_2(rules: Path, ct: Path) -> None:
    """No rule is asked about it."""
    (ct / "CT0010.dcm").unlink()
    (ct / "notes.txt").write_text("not a slice")

    done = run("rules", "test", ct, "--rules", rules)

    assert done.returncode == 2
    assert "cannot be contoured  Oarlock phantom" in done.stdout
    assert "missing-slice: " in done.stdout
    assert "notes.txt: not a DICOM file" in done.stdout


def test_a_program_gets_the_same_as_json(rules: Path, ct: Path) -> None:
    """As POST /v1/rules/test answers it; the file may come from the setting."""
    done = run("rules", "test", ct, "--json", OARLOCK_RULES=str(rules))

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert len(told["checksum"]) == 64
    assert [job["rule"] for job in told["series"][0]["jobs"]] == ["default", "next"]


def test_without_rules_the_default_is_shown(ct: Path) -> None:
    """That is what the server would do."""
    done = run("rules", "test", ct)

    assert done.returncode == 0
    assert "→ a job of default: hn-oar, normal" in done.stdout


def test_a_good_file_is_checked_with_0(rules: Path) -> None:
    """Before it is copied to where the server looks."""
    done = run("rules", "check", rules)

    assert done.returncode == 0
    assert f"{rules}: 4 rules, 1 of them switched off" in done.stdout


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_wrong_file_leaves_with_2_and_every_line(rules: Path, ct: Path, command: str) -> None:
    """Names of this server included."""
    rules.write_text(RULES.replace("eclipse", "eclypse").replace("Modality", "Modaliti"))
    arguments = [rules] if command == "check" else [ct, "--rules", rules]

    done = run("rules", command, *arguments)

    assert done.returncode == 2
    assert "line 11, rules.1.templates.0: there is no template 'eclypse'" in done.stderr
    assert "line 13, rules.2.match.attribute: 'Modaliti' is no DICOM keyword" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_must_be_a_file_to_check() -> None:
    """It is not taken for an empty one."""
    done = run("rules", "check")

    assert done.returncode == 2
    assert "OARLOCK_RULES" in done.stderr
