"""Subjects and rule sets for the tests of rules."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from models.yaml_files import read_yaml_file
from service.rules.body_part import find_body_part
from service.rules.conditions import Condition
from service.rules.rule_file import KnownNames, RuleFile
from service.rules.rule_set import RuleSet, read_rule_set
from service.rules.subject import Geometry, Subject
from workers.sources import Source, SourceKind

GEOMETRY = Geometry(
    slices=120,
    spacing_mm=2.5,
    pixel_spacing_mm=0.977,
    extent_mm=297.5,
    rows=512,
    columns=512,
    is_even=True,
)
SOURCE = Source("ct-simulator", SourceKind.DIMSE, "SIM1", "OARLOCK", "10.1.2.3")
KNOWN = KnownNames(
    models=frozenset({"hn-oar", "thorax-oar"}),
    templates=frozenset({"generic", "eclipse"}),
    destinations=frozenset({"aria", "archive"}),
)


def build_header(**values: object) -> Dataset:
    """A header of these attributes by keyword."""
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return header


def build_test_subject(
    header: Dataset | None = None,
    source: Source = SOURCE,
    geometry: Geometry = GEOMETRY,
    **values: object,
) -> Subject:
    """A subject of a whole header, or of these attributes."""
    header = build_header(**values) if header is None else header
    return Subject(header, source, geometry, find_body_part(header))


def parse_rules(text: str, known: KnownNames = KNOWN) -> RuleSet:
    """The rules of a file's text."""
    return read_rule_set(Path("rules.yaml"), known, text.encode())


def parse_condition(text: str) -> Condition:
    """A condition as a rule file writes it, in one line."""
    content = f"format: 1\nrules: [{{name: tried, match: {text}}}]".encode()
    return read_yaml_file(Path("rules.yaml"), RuleFile, content).rules[0].match.build()


def holds(text: str, subject: Subject) -> bool:
    """Whether such a condition holds."""
    return parse_condition(text).judge(subject).holds
