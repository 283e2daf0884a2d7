"""The part of the body that a series shows, as its tags say it; never guessed from its pixels.

Scanners write into BodyPartExamined what the protocol was made for, whatever is scanned with it. So
no tag is believed alone: all that name a part must go together, or the part is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from contouring.dicom_files import UNREADABLE
from service.rules.body_words import BEGINNINGS, CODES, EXACT, PAIRS, READ_AS, BodyPart, Parts

TEXTS = (
    "ProtocolName",
    "SeriesDescription",
    "StudyDescription",
    "RequestedProcedureDescription",
)
NOTHING: Parts = frozenset()
LONGEST_TEXT = 1024  # of a description; DICOM allows 64 characters


@dataclass(frozen=True)
class BodyPartFinding:
    """The part, and what each tag says of it, by keyword in the order in which they were asked."""

    part: BodyPart
    said: tuple[tuple[str, Parts], ...] = ()

    @property
    def reason(self) -> str:
        """Who says what: "BodyPartExamined says thorax, SeriesDescription says pelvis"."""
        told = [f"{keyword} says {_name(parts)}" for keyword, parts in self.said]
        return ", ".join(told) or "no tag names one"


def find_body_part(header: Dataset) -> BodyPartFinding:
    """What BodyPartExamined, AnatomicRegionSequence and the descriptions agree on."""
    said = tuple(_ask(header))
    left: Parts = frozenset(BodyPart) if said else NOTHING
    for _, parts in said:
        left &= parts
    if len(left) == 1:
        (part,) = left
        return BodyPartFinding(part, said)
    return BodyPartFinding(READ_AS.get(left, BodyPart.UNKNOWN), said)


def name_parts(text: str) -> Parts:
    """What the words of a text have in common; where they have nothing, all that they name."""
    named = [parts for parts in _find_words(_fold(text[:LONGEST_TEXT])) if parts]
    if not named:
        return NOTHING
    return frozenset.intersection(*named) or frozenset.union(*named)


def _ask(header: Dataset) -> Iterator[tuple[str, Parts]]:
    for keyword, parts in (
        ("BodyPartExamined", name_parts(_text(header, "BodyPartExamined"))),
        ("AnatomicRegionSequence", _name_region(header)),
        *((keyword, name_parts(_text(header, keyword))) for keyword in TEXTS),
    ):
        if parts:
            yield keyword, parts


def _name_region(header: Dataset) -> Parts:
    """By the code, or by its meaning if the code is not known (DICOM PS3.3 10.5)."""
    try:
        region = header.AnatomicRegionSequence[0]
    except UNREADABLE:
        return NOTHING
    return CODES.get(_text(region, "CodeValue"), NOTHING) or name_parts(
        _text(region, "CodeMeaning")
    )


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "")
    except UNREADABLE:  # pydicom decodes on access
        return ""


def _fold(text: str) -> list[str]:
    """The words in small letters without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    return re.findall("[a-z]+", "".join(sign for sign in plain if not unicodedata.combining(sign)))


def _find_words(words: list[str]) -> Iterator[Parts]:
    at = 0
    while at < len(words):
        pair = PAIRS.get((words[at], words[at + 1])) if at + 1 < len(words) else None
        yield _look_up(words[at]) if pair is None else pair
        at += 1 if pair is None else 2


def _look_up(word: str) -> Parts:
    if word in EXACT:
        return EXACT[word]
    beginnings = [word[:length] for length in range(len(word), 2, -1)]
    return next((BEGINNINGS[one] for one in beginnings if one in BEGINNINGS), NOTHING)


def _name(parts: Parts) -> str:
    return " or ".join(part for part in BodyPart if part in parts)
