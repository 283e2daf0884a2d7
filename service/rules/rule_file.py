"""The rule file: how a site says what becomes of a series, validated; `docs/rules.md`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from models.card import Name
from models.yaml_files import Place
from service.rules.condition_file import MatchEntry, Strict
from workers.jobs import Priority

DEFAULT = "default"  # the name of the rule for what no other matches


class Apply(StrEnum):
    """Whether the first rule that matches counts, or all that do."""

    FIRST = "first"
    ALL = "all"


class Review(StrEnum):
    """Whether a person looks at a result before it leaves."""

    HOLD = "hold"
    SEND = "send"


class Mode(StrEnum):
    """Whether a result leaves, or is kept and compared."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True)
class KnownNames:
    """What rules may name on this server; None where that is not known."""

    models: frozenset[str] | None = None
    templates: frozenset[str] | None = None
    destinations: frozenset[str] | None = None


def _known(kind: Literal["models", "templates", "destinations"]) -> AfterValidator:
    def check(name: str, info: ValidationInfo) -> str:
        known: frozenset[str] | None = (info.context or {}).get(kind)
        if known is not None and name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise ValueError(f"there is no {kind[:-1]} {name!r}; known {kind}: {names}")
        return name

    return AfterValidator(check)


class DestinationEntry(Strict):
    """A destination, and the template that it gets unless it has one of its own."""

    name: Annotated[str, _known("destinations")]
    template: Annotated[str, _known("templates")] | None = None


def _name_alone(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


class OutcomeEntry(Strict):
    """What becomes of a series: a job, with the server's defaults for what is left out; or none."""

    model: Annotated[str, _known("models")] | None = None
    templates: tuple[Annotated[str, _known("templates")], ...] = ()
    priority: Priority = Priority.NORMAL
    destinations: tuple[Annotated[DestinationEntry, BeforeValidator(_name_alone)], ...] = ()
    review: Review = Review.SEND
    refuse: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _refuse_alone(self) -> Self:
        others = self.model_fields_set & {*OutcomeEntry.model_fields, "mode"} - {"refuse"}
        if self.refuse is not None and others:
            raise ValueError(f"a rule that refuses takes no {min(others)}")
        return self


class RuleEntry(OutcomeEntry):
    """One rule."""

    name: Name
    enabled: bool = True
    match: MatchEntry
    mode: Mode = Mode.LIVE


class RuleFile(Strict):
    """A whole rule file; an unknown key is refused."""

    format: Literal[1]
    apply: Apply = Apply.FIRST
    rules: tuple[RuleEntry, ...] = ()
    default: OutcomeEntry = OutcomeEntry()

    def find_faults(self) -> Iterator[tuple[Place, str]]:
        """Names that say two things."""
        seen = {DEFAULT}
        for number, rule in enumerate(self.rules):
            if rule.name in seen:
                yield ("rules", number, "name"), f"there is another rule {rule.name}"
            seen.add(rule.name)
