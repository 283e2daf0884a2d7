"""Lint: the format and the geometry of anybody's RT Structure Set (DICOM PS3.3 A.19)."""

from __future__ import annotations

from itertools import islice

from contouring import (
    lint_attributes,
    lint_contours,
    lint_encoding,
    lint_names,
    lint_planes,
    lint_references,
    lint_rois,
    lint_series,
    lint_slices,
    lint_values,
)
from contouring.dicom_series import CTSeries
from contouring.lint_rules import THE_FILE, LintFinding, Rule, Severity, Subject
from contouring.structure_set_reader import StructureSetFile, read_structure_set

__all__ = ["RULES", "LintFinding", "Severity", "lint_file", "lint_structure_set"]

FINDINGS_SHOWN = 20  # of one rule; the rest is counted
NO_STRUCTURE_SET = "no-structure-set"
RULES: tuple[Rule, ...] = (
    *lint_encoding.RULES,
    *lint_values.RULES,
    *lint_attributes.RULES,
    *lint_references.RULES,
    *lint_rois.RULES,
    *lint_names.RULES,
    *lint_contours.RULES,
    *lint_slices.RULES,
    *lint_series.RULES,
    *lint_planes.RULES,
)
_ORDER = tuple(Severity)


def lint_structure_set(content: bytes, series: CTSeries | None = None) -> tuple[LintFinding, ...]:
    """What is wrong with a file, worst first; with `series` also against the CT.

    Raises `NotDicomError` for what is no DICOM at all, and nothing for what is damaged.
    """
    return lint_file(read_structure_set(content), series)


def lint_file(file: StructureSetFile, series: CTSeries | None = None) -> tuple[LintFinding, ...]:
    """The same of a file that has been read."""
    if not file.is_structure_set:
        found = file.content.text("SOPClassUID") or "none"
        text = f"The SOP class is {found}, not RT Structure Set Storage: no rule applies."
        return (LintFinding(Severity.ERROR, NO_STRUCTURE_SET, "PS3.3 A.19", THE_FILE, text),)
    subject = Subject(file, series)
    findings: list[LintFinding] = []
    for rule in RULES:
        if series is not None or not rule.needs_ct:
            findings += _shortened(rule, subject)
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def _shortened(rule: Rule, subject: Subject) -> list[LintFinding]:
    """At most `FINDINGS_SHOWN` of a rule, the last of which counts the rest."""
    found = rule.findings(subject)
    shown = list(islice(found, FINDINGS_SHOWN))
    rest = sum(1 for _ in found)
    if rest:
        text = f"The same is found at {rest} more place{'s' * (rest > 1)}."
        shown.append(LintFinding(rule.severity, rule.slug, rule.clause, THE_FILE, text, rest))
    return shown
