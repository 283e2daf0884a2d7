"""The page about rules, held to the code, and its example tried on series."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contouring.dicom_series import find_series
from contouring.phantom_series import SeriesHeader
from service.rules.attributes import FACTS
from service.rules.body_words import BodyPart
from service.rules.condition_file import QUESTIONS
from service.rules.decisions import Decision, Order
from service.rules.matching import decide
from service.rules.rule_file import KnownNames, OutcomeEntry, RuleEntry, RuleFile
from service.rules.rule_set import RuleSet
from service.rules.subject import build_subject
from tests.phantoms import write_small_series
from tests.service.rules.subjects import parse_rules
from workers.jobs import PlannedDelivery, Priority
from workers.sources import Source, SourceKind

PAGE = Path(__file__).resolve().parents[3] / "docs" / "rules.md"
SIMULATOR = Source("ct-simulator", SourceKind.DIMSE, "CT_SIM1", "OARLOCK", "10.20.3.4")
STRANGER = Source("", SourceKind.STOW, address="192.168.7.7")
SHADOW = Order("next-model", "hn-oar-next", is_shadow=True)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example(page: str) -> RuleSet:
    """The page's rules; its names are not this server's."""
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return parse_rules(text, KnownNames())


def decide_on(folder: Path, header: SeriesHeader, source: Source, rules: RuleSet) -> Decision:
    """What the rules say of a phantom's series with this header."""
    (series,) = find_series(write_small_series(folder, header=header)).series
    return decide(rules, build_subject(series, source))


def find_table(page: str, head: str) -> dict[str, list[str]]:
    """The rows of the table whose first column is called so, by their first cell."""
    (table,) = re.findall(rf"^\| {head} \|.*\n((?:^\|.*\n)+)", page, re.MULTILINE)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[1:]]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_example_refuses_the_phantom_of_the_quality_assurance(
    tmp_path: Path, example: RuleSet
) -> None:
    """The phantom is called one."""
    decision = decide_on(tmp_path, SeriesHeader(), SIMULATOR, example)

    assert decision.refused_by == "qa-phantoms"
    assert decision.refusal == "A phantom of the quality assurance is not contoured."


def test_the_example_sends_head_and_neck_to_the_planning_system(
    tmp_path: Path, example: RuleSet
) -> None:
    """And a new model runs beside in shadow."""
    header = SeriesHeader(patient_name="Doe^Jane", series_description="Neck 2.5 mm")

    decision = decide_on(tmp_path, header, SIMULATOR, example)

    assert decision.jobs == (
        Order(
            "head-and-neck",
            "hn-oar",
            ("eclipse",),
            Priority.URGENT,
            (
                PlannedDelivery("planning-system", is_held=True),
                PlannedDelivery("archive", "generic", is_held=True),
            ),
        ),
        SHADOW,
    )


def test_the_example_archives_what_else_is_planned_here(tmp_path: Path, example: RuleSet) -> None:
    """The pelvis of a scanner that says head and neck is of no known part."""
    header = SeriesHeader(patient_name="Doe^Jane", series_description="Pelvis 2.5 mm")

    decision = decide_on(tmp_path, header, SIMULATOR, example)

    assert decision.jobs == (Order("planned-here", deliveries=(PlannedDelivery("archive"),)),)


def test_the_example_refuses_what_it_does_not_know(tmp_path: Path, example: RuleSet) -> None:
    """From a sender that nobody named."""
    header = SeriesHeader(patient_name="Doe^Jane", series_description="Pelvis 2.5 mm")

    assert decide_on(tmp_path, header, STRANGER, example).refused_by == "default"


def test_every_key_is_on_the_page_and_none_that_is_no_more(page: str) -> None:
    """Each in its table."""
    keys = re.findall(r"^## Keys of the file$(.*?)^## Keys of a rule$(.*?)^## ", page, re.M | re.S)
    ((of_file, of_rule),) = keys

    assert set(find_table(of_file, "key")) == set(RuleFile.model_fields)
    assert set(find_table(of_rule, "key")) == set(RuleEntry.model_fields)
    assert all(
        f"`{key}`" in of_rule.split("`default` takes")[1] for key in OutcomeEntry.model_fields
    )


def test_the_table_of_attributes_is_that_of_the_code(page: str) -> None:
    """With the questions that each takes."""
    rows = find_table(page, "attribute")

    told = {name: tuple(re.findall(r"`(\w+)`", rows[name][0])) for name in FACTS}

    assert told == {name: QUESTIONS[fact.kind] for name, fact in FACTS.items()}
    assert {name for name in rows if name.split(".")[0] in ("source", "series")} < set(FACTS)


def test_every_body_part_and_question_is_on_the_page(page: str) -> None:
    """They are what people write."""
    words = [*BodyPart, *SourceKind, *find_table(page, "question")]

    assert [word for word in words if f"`{word}`" not in page] == []
    assert set(find_table(page, "question")) == {"equals", "contains", "regex", "range"}
