"""What a check and a lint say, as JSON: the same over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from contouring.lint import LintFinding, Severity
from contouring.verdicts import Judgement, Outcome, Verdict
from service.notices import NoticeView

WORST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


class VerdictView(BaseModel):
    """What would become of one CT series."""

    series_instance_uid: str
    description: str
    slices: int
    outcome: Outcome
    warnings: list[NoticeView]
    refusal: NoticeView | None = Field(description="The fault and where it is; null: accepted.")


class CheckView(BaseModel):
    """The verdict on each CT series among the files."""

    verdicts: list[VerdictView]
    ignored: list[str] = Field(description="Files that are no CT slice, and what they are.")


class FindingView(BaseModel):
    """Something in a structure set that a reader may stumble over."""

    model_config = ConfigDict(from_attributes=True)

    severity: Severity
    rule: str = Field(description="Stable name of the rule.")
    clause: str = Field(description="Clause of the standard.")
    where: str
    text: str
    places: int = Field(1, description="How many it stands for: the rest of a rule is counted.")


class LintView(BaseModel):
    """What was found in a structure set, worst first."""

    findings: list[FindingView]
    counts: dict[Severity, int] = Field(description="Places found at fault, by severity.")
    series_instance_uid: str | None = Field(description="The CT it was compared with; null: none.")


def build_check_view(judgement: Judgement) -> CheckView:
    """The verdicts, in the judgement's order."""
    return CheckView(
        verdicts=[_build_verdict_view(verdict) for verdict in judgement.verdicts],
        ignored=list(judgement.ignored),
    )


def build_lint_view(
    findings: Iterable[LintFinding], series_instance_uid: str | None = None
) -> LintView:
    """The findings by severity; within one, in the linter's order."""
    ranked = sorted(findings, key=lambda finding: WORST_FIRST.index(finding.severity))
    return LintView(
        findings=[FindingView.model_validate(finding) for finding in ranked],
        counts={
            severity: sum(one.places for one in ranked if one.severity is severity)
            for severity in WORST_FIRST
        },
        series_instance_uid=series_instance_uid,
    )


def _build_verdict_view(verdict: Verdict) -> VerdictView:
    refusal = verdict.refusal
    return VerdictView(
        series_instance_uid=verdict.series_instance_uid,
        description=verdict.description,
        slices=verdict.slice_count,
        outcome=verdict.outcome,
        warnings=[NoticeView.model_validate(warning) for warning in verdict.warnings],
        refusal=None if refusal is None else NoticeView.model_validate(refusal),
    )
