"""What a lint rule is: one demand of the standard or of practice, and what finds its breaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from contouring.dicom_series import CTSeries
from contouring.slice_planes import SlicePlanes
from contouring.structure_set_reader import StructureSetFile

THE_FILE = "the file"


class Severity(StrEnum):
    """How bad a finding is.

    Error: the standard is broken, or contours stand elsewhere than they should. Warning: legal or
    tolerated, but some readers lose or change something. Note: worth knowing.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class LintFinding:
    """One thing that a rule found.

    `rule`: its slug; `clause`: where the demand stands ("PS3.3 C.8.8.6.3"); `where`: the place in
    the file ("ROI 3 Cord, contour 12"); `text`: what is wrong and what it leads to; `places`: how
    many it stands for, more than one only where it counts the rest of a rule's.
    """

    severity: Severity
    rule: str
    clause: str
    where: str
    text: str
    places: int = 1


@dataclass(frozen=True, eq=False)
class Subject:
    """A file under judgement, and the CT that it was drawn on, if it is at hand."""

    file: StructureSetFile
    series: CTSeries | None = None


Finds = Callable[[Subject], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Rule:
    """One rule.

    `demand`: what a good file does, as a sentence; `find`: where and what, for each breach;
    `needs_ct`: it says nothing without the CT series.
    """

    slug: str
    severity: Severity
    clause: str
    demand: str
    find: Finds
    needs_ct: bool = False

    def findings(self, subject: Subject) -> Iterator[LintFinding]:
        """Every breach of the rule in the file."""
        for where, text in self.find(subject):
            yield LintFinding(self.severity, self.slug, self.clause, where, text)


def rule(
    slug: str, severity: Severity, clause: str, demand: str, *, needs_ct: bool = False
) -> Callable[[Finds], Rule]:
    """Make a function that yields (where, text) a rule."""
    return lambda find: Rule(slug, severity, clause, demand, find, needs_ct)


def planes_of(subject: Subject) -> SlicePlanes:
    """The slices of the CT, for rules that need it: they are left out without it."""
    assert subject.series is not None, "a rule that needs the CT is not applied without it"
    return SlicePlanes(subject.series)


def place_of(path: str) -> str:
    """Where an element stands, by the path that leads to it."""
    return path.removesuffix(" > ") or THE_FILE
