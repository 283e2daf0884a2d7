"""Structures: TG-263 names, display colours and codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NAME_LIMIT = 16  # TG-263 section 7.2, rule 1: what most planning systems take
# ASCII without spaces (rule 2), nor a backslash, which DICOM takes for the end of a value.
NAME_CHARACTERS = r"[!-\[\]-~]+"
NAME_PATTERN = rf"^[!-\[\]-~]{{1,{NAME_LIMIT}}}$"


class Status(StrEnum):
    """What became of a structure that was asked for."""

    CONTOURED = "contoured"
    NOT_IN_SCAN = "not-in-scan"
    FAILED = "failed"


@dataclass(frozen=True)
class CodedConcept:
    """A code as DICOM writes it: value, coding scheme and meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Structure:
    """One organ of a model.

    `label`: the network's output channel, from 1; `components`: how many separate parts are kept,
    largest first, None for all; of those only that have `minimum_cm3` and touch one of `touches`,
    if any are named; `interpreted_type`: RT ROI Interpreted Type (300A,00A4), ORGAN or empty;
    `volume_range_cm3`: smallest and largest known from training; 0 as `label`: a derived structure.
    """

    label: int
    name: str
    colour_rgb: tuple[int, int, int]
    components: int | None = 1
    description: str = ""
    interpreted_type: str = "ORGAN"
    code: CodedConcept | None = None
    laterality: CodedConcept | None = None
    volume_range_cm3: tuple[float, float] | None = None
    minimum_cm3: float = 0.0
    touches: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """What its parts must fulfil, in words that follow "those"; empty if nothing."""
        size = f" of at least {self.minimum_cm3:g} cm3" if self.minimum_cm3 else ""
        touch = f" that touch {' or '.join(self.touches)}" if self.touches else ""
        return size + touch
