"""Rules and what they say of series, as JSON: the same over HTTP and on the command line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.notices import NoticeView
from service.rules.body_words import BodyPart
from service.rules.matching import Standing
from service.rules.rule_file import Mode, Review, RuleFile
from workers.jobs import Priority


class ObservationView(BaseModel):
    """What one question found; it may show what a header says of the patient."""

    model_config = ConfigDict(from_attributes=True)

    attribute: str
    wanted: str = Field(description="What was asked, in words.")
    found: list[str] = Field(description="All values; empty: the attribute is missing.")


class ExplanationView(BaseModel):
    """What became of one rule."""

    model_config = ConfigDict(from_attributes=True)

    rule: str
    standing: Standing
    because: list[ObservationView] = Field(
        description="Of a rule that matches, what made it match; of others, what kept it from it."
    )


class DeliveryPlanView(BaseModel):
    """Where a result would go."""

    destination: str
    template: str | None = Field(description="Null: the destination's own, or the job's first.")
    review: Review


class OrderView(BaseModel):
    """A job that would be made."""

    rule: str
    model: str
    templates: list[str]
    priority: Priority
    mode: Mode
    deliveries: list[DeliveryPlanView]


class SeriesTrialView(BaseModel):
    """What the rules say of one series that can be contoured."""

    series_instance_uid: str
    description: str
    slices: int
    body_part: BodyPart
    body_part_reason: str = Field(description="What each tag says.")
    rules: list[ExplanationView] = Field(description="In the file's order, the default at the end.")
    jobs: list[OrderView]
    refusal: str | None = Field(description="Why no job would be made.")
    refused_by: str | None = Field(description="The rule that refuses.")


class RefusedSeriesView(BaseModel):
    """A series that no rule is asked about."""

    series_instance_uid: str
    description: str
    refusal: NoticeView


class TrialView(BaseModel):
    """What the rules say of each CT series among the files."""

    checksum: str | None = Field(description="SHA-256 of the rule file; null: there is none.")
    series: list[SeriesTrialView]
    refused: list[RefusedSeriesView] = Field(description="Series that cannot be contoured.")
    ignored: list[str] = Field(description="Files that are no CT slice, and what they are.")


class RuleSetView(BaseModel):
    """The rules in force."""

    checksum: str | None = Field(description="SHA-256 of their file; null: there is none.")
    fault: str | None = Field(description="Why the file on disk is not in force; null: it is.")
    rules: RuleFile
