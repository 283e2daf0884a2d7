"""Conditions: questions about attributes, joined by all, any and not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.rules.attributes import Attribute
from service.rules.questions import Question
from service.rules.subject import Subject


@dataclass(frozen=True)
class Observation:
    """What one question found: "SeriesDescription", 'containing "neck"', 'Thorax'.

    `found` may be of the patient: it is for whoever asked, and for no log.
    """

    attribute: str
    wanted: str
    found: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """Whether a condition holds, and the observations that made it so."""

    holds: bool
    because: tuple[Observation, ...] = ()


class Condition(Protocol):
    """Something that holds for a subject or does not."""

    def judge(self, subject: Subject, wanted: bool = True) -> Judged:
        """Whether it is as `wanted`, and why; with `wanted` false, whether it does not hold."""
        ...


@dataclass(frozen=True)
class Asked:
    """A question about one attribute; one that is missing is no answer to any question."""

    attribute: Attribute
    question: Question

    def judge(self, subject: Subject, wanted: bool = True) -> Judged:
        """Several values: one that fits is enough."""
        found = self.attribute.read(subject)
        holds = any(self.question.holds_for(text) for text in found) is wanted
        words = f"{'' if wanted else 'not '}{self.question}"
        return Judged(holds, (Observation(self.attribute.name, words, found),))


@dataclass(frozen=True)
class All:
    """Every part holds; of no parts, too."""

    parts: tuple[Condition, ...]

    def judge(self, subject: Subject, wanted: bool = True) -> Judged:
        """Not all of them is any of their opposites."""
        return _join(self.parts, subject, wanted, needs_all=wanted)


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Condition, ...]

    def judge(self, subject: Subject, wanted: bool = True) -> Judged:
        """Not any of them is all of their opposites."""
        return _join(self.parts, subject, wanted, needs_all=not wanted)


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Condition

    def judge(self, subject: Subject, wanted: bool = True) -> Judged:
        """The part, wanted otherwise."""
        return self.part.judge(subject, not wanted)


def _join(parts: tuple[Condition, ...], subject: Subject, wanted: bool, needs_all: bool) -> Judged:
    """Told is what decided: the parts that agree with the whole."""
    judged = [part.judge(subject, wanted) for part in parts]
    holds = all(one.holds for one in judged) if needs_all else any(one.holds for one in judged)
    because = (one.because for one in judged if one.holds is holds)
    return Judged(holds, tuple(observation for each in because for observation in each))
