"""Rule files: whatever is wrong is told with its line, before a series comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from contouring.errors import InvalidConfigurationError
from service.rules.rule_file import KnownNames
from service.rules.rule_set import read_rule_set
from tests.service.rules.subjects import KNOWN

HEAD = "format: 1\nrules:\n- name: tried\n"


def faults_of(text: str) -> tuple[str, ...]:
    """What is told of a wrong file."""
    with pytest.raises(InvalidConfigurationError) as refused:
        read_rule_set(Path("rules.yaml"), KNOWN, text.encode())
    return refused.value.faults


WRONG_CONDITIONS = {
    "an attribute that is none": (
        "{attribute: Modalty, equals: CT}",
        ".attribute: 'Modalty' is no DICOM keyword, tag (gggg,eeee) or fact; did you mean "
        "Modality?.",
    ),
    "a fact that is none": (
        "{attribute: series.height, equals: 3}",
        ".attribute: there is no series.height; known are source.name, ",
    ),
    "a sequence without an attribute of its items": (
        "{attribute: RequestAttributesSequence, equals: CT}",
        ".attribute: RequestAttributesSequence is a sequence: name an attribute of its items",
    ),
    "items of what is no sequence": (
        "{attribute: Modality.CodeValue, equals: CT}",
        ".attribute: Modality is no sequence and has no items.",
    ),
    "an attribute of the file": (
        "{attribute: TransferSyntaxUID, contains: a}",
        ".attribute: TransferSyntaxUID is of the file and not of the image: no rule can ask for",
    ),
    "no question": ("{attribute: Modality}", ": ask exactly one of equals, regex, "),
    "two questions": (
        "{attribute: Modality, equals: CT, regex: C}",
        ": ask exactly one of equals, regex, contains and range.",
    ),
    "a question that makes no sense": (
        "{attribute: series.slices, contains: a}",
        ": series.slices (number) takes equals or range, not contains.",
    ),
    "an expression that cannot run in good time": (
        '{attribute: Modality, regex: "(a)\\\\1"}',
        ".regex: no regular expression that is taken: backreferences are not supported.",
    ),
    "an expression that is too large": (
        '{attribute: Modality, regex: "(?:\\\\w{100}){100}"}',
        ".regex: no regular expression that is taken: Compiled regex exceeds size limit",
    ),
    "an expression that is too long": (
        f"{{attribute: Modality, regex: {'a' * 201}}}",
        ".regex: String should have at most 200 characters.",
    ),
    "a range inside out": (
        "{attribute: series.slices, range: {min: 3, max: 2}}",
        ".range: min 3 is above max 2.",
    ),
    "a range without ends": (
        "{attribute: series.slices, range: {}}",
        ".range: give min, max or both.",
    ),
    "a body part that is none": (
        "{attribute: body_part, equals: neck}",
        ": 'neck' is no body part; known: head-and-neck, brain, ",
    ),
    "a kind of source that is none": (
        "{attribute: source.kind, equals: mail}",
        ": 'mail' is no kind of source; known: stow, dimse, folder, upload.",
    ),
    "an address that is none": (
        "{attribute: source.address, equals: 10.1.2.3/16}",
        ": 10.1.2.3/16 has host bits set.",
    ),
    "a truth value for a text": (
        "{attribute: PatientSex, equals: true}",
        ": give a text or a number, not true.",
    ),
    "a mapping for a text": (
        "{attribute: PatientSex, equals: {a: 1}}",
        ".equals: give a text or a number, or a list of them.",
    ),
    "a number for yes or no": (
        "{attribute: series.is_even, equals: 1}",
        ": give true or false, not 1.",
    ),
    "an empty text": (
        "{attribute: Manufacturer, equals: ''}",
        ".equals: nothing is ever found to be an empty text; use not and regex '.'.",
    ),
    "nothing to equal": (
        "{attribute: Manufacturer, equals: []}",
        ".equals: Value should have at least 1 item",
    ),
    "no parts": ("{any: []}", ".any: give at least one condition."),
    "an unknown key": (
        "{attribute: Modality, equals: CT, ignore_case: true}",
        ".ignore_case: Extra inputs are not permitted.",
    ),
    "two forms at once": (
        "{all: [{attribute: Modality, equals: CT}], any: []}",
        ".any: Extra inputs are not permitted.",
    ),
    "deep inside": (
        "{all: [{not: {any: [{attribute: Modality, equals: CT}, {attribute: Foo, equals: 1}]}}]}",
        ".all.0.not.any.1.attribute: 'Foo' is no DICOM keyword",
    ),
    "a text": ("CT", ": Input should be a valid dictionary"),
}


@pytest.mark.parametrize(
    ("condition", "fault"), WRONG_CONDITIONS.values(), ids=WRONG_CONDITIONS.keys()
)
def test_a_wrong_condition_is_told_with_its_line(condition: str, fault: str) -> None:
    """It never decides about a series."""
    (told,) = faults_of(f"{HEAD}  match: {condition}\n  refuse: never\n")

    assert told.startswith(f"line 4, rules.0.match{fault}")


MATCH = "  match: {attribute: Modality, equals: CT}\n"
WRONG_RULES = {
    "no condition": ("", "line 3, rules.0.match: Field required."),
    "an unknown model": (
        f"{MATCH}  model: liver\n",
        "line 5, rules.0.model: there is no model 'liver'; known models: hn-oar, thorax-oar.",
    ),
    "an unknown template": (
        f"{MATCH}  templates: [eclipse,\n    monaco]\n",
        "line 6, rules.0.templates.1: there is no template 'monaco'; known templates: eclipse, ",
    ),
    "an unknown destination": (
        f"{MATCH}  destinations:\n  - aria\n  - pacs\n",
        "line 7, rules.0.destinations.1: there is no destination 'pacs'; known destinations: ",
    ),
    "an unknown template of a destination": (
        f"{MATCH}  destinations:\n  - name: aria\n    template: monaco\n",
        "line 7, rules.0.destinations.0.template: there is no template 'monaco'; ",
    ),
    "an unknown priority": (
        f"{MATCH}  priority: high\n",
        "line 5, rules.0.priority: Input should be 'normal' or 'urgent'.",
    ),
    "an unknown mode": (f"{MATCH}  mode: dark\n", "line 5, rules.0.mode: Input should be 'live' "),
    "an unknown review": (f"{MATCH}  review: no\n", "line 5, rules.0.review: Input should be 'ho"),
    "a refusal with a job": (
        f"{MATCH}  refuse: Not here.\n  model: hn-oar\n",
        "line 3, rules.0: a rule that refuses takes no model.",
    ),
    "a refusal in shadow": (
        f"{MATCH}  refuse: Not here.\n  mode: shadow\n",
        "line 3, rules.0: a rule that refuses takes no mode.",
    ),
    "two rules of one name": (
        f"{MATCH}- name: tried\n{MATCH}",
        "line 5, rules.1.name: there is another rule tried.",
    ),
    "a rule called default": (
        f"{MATCH}- name: default\n{MATCH}",
        "line 5, rules.1.name: there is another rule default.",
    ),
    "an unknown way to apply": (
        f"{MATCH}apply: some\n",
        "line 5, apply: Input should be 'first' or 'all'.",
    ),
    "a condition of the default": (
        f"{MATCH}default:\n{MATCH}",
        "line 6, default.match: Extra inputs are not permitted.",
    ),
}


@pytest.mark.parametrize(("text", "fault"), WRONG_RULES.values(), ids=WRONG_RULES.keys())
def test_a_wrong_rule_is_told_with_its_line(text: str, fault: str) -> None:
    """Also a name that this server does not have."""
    (told,) = faults_of(HEAD + text)

    assert told.startswith(fault)


def test_names_are_not_checked_where_none_are_known() -> None:
    """A page's example is checked on any machine."""
    text = f"{HEAD}{MATCH}  model: liver\n  destinations: [pacs]\n"

    rule_set = read_rule_set(Path("rules.yaml"), KnownNames(), text.encode())

    assert rule_set.rules[0].order is not None
    assert rule_set.rules[0].order.model == "liver"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """A misspelled setting must not pass for no rules."""
    with pytest.raises(InvalidConfigurationError, match="cannot be read: No such file"):
        read_rule_set(tmp_path / "typo.yaml")
