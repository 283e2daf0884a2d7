"""How a rule file writes conditions, validated; `docs/rules.md`."""

from __future__ import annotations

from ipaddress import ip_network
from math import inf
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from service.rules.attributes import Kind, find_attribute
from service.rules.body_words import BodyPart
from service.rules.conditions import All, AnyOf, Asked, Condition, Not
from service.rules.questions import Contains, Equals, InNetwork, InRange, Matches, Question
from workers.sources import SourceKind

LONGEST_EXPRESSION = 200
# What may be asked of which attributes.
QUESTIONS = {
    Kind.DICOM: ("equals", "regex", "contains", "range"),
    Kind.TEXT: ("equals", "regex", "contains"),
    Kind.NUMBER: ("equals", "range"),
    Kind.FLAG: ("equals",),
    Kind.ADDRESS: ("equals",),
    Kind.BODY_PART: ("equals",),
    Kind.SOURCE_KIND: ("equals",),
}
WORDS = {Kind.BODY_PART: tuple(BodyPart), Kind.SOURCE_KIND: tuple(SourceKind)}


def _check_attribute(name: str) -> str:
    find_attribute(name)
    return name


def _check_expression(expression: str) -> str:
    Matches(expression)
    return expression


def _check_values(given: Any) -> Any:
    """Texts or numbers, one or several."""
    for value in given if isinstance(given, list | tuple) else (given,):
        if not isinstance(value, str | int | float):
            raise ValueError("give a text or a number, or a list of them")
        if value == "":
            raise ValueError("nothing is ever found to be an empty text; use not and regex '.'")
    return given if isinstance(given, list | tuple) else (given,)


class Strict(BaseModel):
    """A part of a rule file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RangeEntry(Strict):
    """From `min` to `max`, both included."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class AskedEntry(Strict):
    """One question about an attribute."""

    attribute: Annotated[str, AfterValidator(_check_attribute)]
    equals: (
        Annotated[tuple[str | bool | int | float, ...], BeforeValidator(_check_values)] | None
    ) = Field(None, min_length=1)
    regex: (
        Annotated[str, Field(max_length=LONGEST_EXPRESSION), AfterValidator(_check_expression)]
        | None
    ) = None
    contains: Annotated[str, Field(min_length=1)] | None = None
    range: RangeEntry | None = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        kind = find_attribute(self.attribute).kind
        asked = [word for word in QUESTIONS[Kind.DICOM] if getattr(self, word) is not None]
        if len(asked) != 1:
            raise ValueError("ask exactly one of equals, regex, contains and range")
        if asked[0] not in QUESTIONS[kind]:
            raise ValueError(
                f"{self.attribute} ({kind}) takes {' or '.join(QUESTIONS[kind])}, not {asked[0]}"
            )
        self.build()
        return self

    def build(self) -> Condition:
        """As rules are asked; raises `ValueError` for a value that the attribute never has."""
        return Asked(find_attribute(self.attribute), self._build_question())

    def _build_question(self) -> Question:
        if self.regex is not None:
            return Matches(self.regex)
        if self.contains is not None:
            return Contains(self.contains)
        if self.range is not None:
            low, high = self.range.min, self.range.max
            return InRange(-inf if low is None else low, inf if high is None else high)
        return self._build_equals(self.equals or ())

    def _build_equals(self, values: tuple[str | bool | int | float, ...]) -> Question:
        kind = find_attribute(self.attribute).kind
        if kind is Kind.ADDRESS:
            return InNetwork(tuple(ip_network(str(value)) for value in values))
        for value in values:
            _check_value(kind, value)
        return Equals(tuple(str(one).lower() if isinstance(one, bool) else one for one in values))


def _check_value(kind: Kind, value: str | bool | int | float) -> None:
    if isinstance(value, bool) is not (kind is Kind.FLAG):
        word = "true or false" if kind is Kind.FLAG else "a text or a number"
        raise ValueError(f"give {word}, not {str(value).lower()}")
    if kind is Kind.NUMBER and isinstance(value, str):
        raise ValueError(f"give a number, not {value!r}")
    if kind in WORDS and value not in WORDS[kind]:
        raise ValueError(f"{value!r} is no {kind}; known: {', '.join(WORDS[kind])}")


def _check_some(parts: tuple[MatchEntry, ...]) -> tuple[MatchEntry, ...]:
    if not parts:  # pydantic's own limit would count a wrong part as missing besides
        raise ValueError("give at least one condition")
    return parts


class AllEntry(Strict):
    """Every one of these."""

    all: Annotated[tuple[MatchEntry, ...], AfterValidator(_check_some)]

    def build(self) -> Condition:
        """As rules are asked."""
        return All(tuple(part.build() for part in self.all))


class AnyEntry(Strict):
    """At least one of these."""

    any: Annotated[tuple[MatchEntry, ...], AfterValidator(_check_some)]

    def build(self) -> Condition:
        """As rules are asked."""
        return AnyOf(tuple(part.build() for part in self.any))


class NotEntry(Strict):
    """Not this."""

    not_: MatchEntry = Field(alias="not")

    def build(self) -> Condition:
        """As rules are asked."""
        return Not(self.not_.build())


def _find_form(given: Any) -> str:
    """A condition's form by its key, so that a fault is told of the form that was meant."""
    keys = set(given) if isinstance(given, dict) else set()
    if isinstance(given, Strict):
        keys = {field.alias or name for name, field in type(given).model_fields.items()}
    return next((f"<{form}>" for form in ("all", "any", "not") if form in keys), "<asked>")


MatchEntry = Annotated[
    Annotated[AllEntry, Tag("<all>")]
    | Annotated[AnyEntry, Tag("<any>")]
    | Annotated[NotEntry, Tag("<not>")]
    | Annotated[AskedEntry, Tag("<asked>")],
    Discriminator(_find_form),
]
