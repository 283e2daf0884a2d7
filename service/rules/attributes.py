"""What a condition can ask for, by its name in a rule file, read as texts.

DICOM attributes by keyword or tag, also of items in sequences; `source.` and `series.` facts; the
body part. An attribute with several values, or in several items, is all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Protocol

from pydicom.datadict import dictionary_VR, keyword_dict, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence

from contouring.dicom_files import UNREADABLE
from service.rules.subject import Subject

LONGEST_VALUE = 1024  # characters that are looked at: a header is the sender's to write
MOST_VALUES = 64  # of one attribute
FILE_META = 0x0002  # the group of what a file says of itself (DICOM PS3.10 7.1)
TAG = re.compile(r"\(([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)")


class Kind(StrEnum):
    """What an attribute's values are, and so which questions make sense."""

    DICOM = "DICOM attribute"  # text and number, as the question has it
    TEXT = "text"
    NUMBER = "number"
    FLAG = "true or false"
    ADDRESS = "IP address"
    BODY_PART = "body part"
    SOURCE_KIND = "kind of source"


class Attribute(Protocol):
    """Something a subject has none, one or several values of."""

    @property
    def name(self) -> str:
        """As the rule file calls it."""
        ...

    @property
    def kind(self) -> Kind:
        """Of its values."""
        ...

    def read(self, subject: Subject) -> tuple[str, ...]:
        """The values, without those that are empty."""
        ...


@dataclass(frozen=True)
class Fact:
    """Something that is known of a series beside its header."""

    name: str
    kind: Kind
    find: Callable[[Subject], str | float | bool]

    def read(self, subject: Subject) -> tuple[str, ...]:
        """One value, or none where its way in has none."""
        value = self.find(subject)
        if isinstance(value, bool):
            return (str(value).lower(),)
        text = f"{value:.10g}" if isinstance(value, int | float) else str(value)
        return (text,) if text else ()


@dataclass(frozen=True)
class DicomAttribute:
    """An attribute of the header: tags of sequences, and the attribute of their items."""

    name: str
    tags: tuple[int, ...]
    kind: Kind = Kind.DICOM

    def read(self, subject: Subject) -> tuple[str, ...]:
        """Every value in every item; what cannot be decoded is not there."""
        found = []
        for text in _read_path(subject.header, self.tags):
            if text:
                found.append(text)
            if len(found) == MOST_VALUES:
                break
        return tuple(found)


FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for fact in (
        Fact("source.name", Kind.TEXT, lambda of: of.source.name),
        Fact("source.kind", Kind.SOURCE_KIND, lambda of: of.source.kind),
        Fact("source.calling_ae", Kind.TEXT, lambda of: of.source.calling_ae),
        Fact("source.called_ae", Kind.TEXT, lambda of: of.source.called_ae),
        Fact("source.address", Kind.ADDRESS, lambda of: of.source.address),
        Fact("series.slices", Kind.NUMBER, lambda of: of.geometry.slices),
        Fact("series.spacing_mm", Kind.NUMBER, lambda of: of.geometry.spacing_mm),
        Fact("series.pixel_spacing_mm", Kind.NUMBER, lambda of: of.geometry.pixel_spacing_mm),
        Fact("series.extent_mm", Kind.NUMBER, lambda of: of.geometry.extent_mm),
        Fact("series.rows", Kind.NUMBER, lambda of: of.geometry.rows),
        Fact("series.columns", Kind.NUMBER, lambda of: of.geometry.columns),
        Fact("series.is_even", Kind.FLAG, lambda of: of.geometry.is_even),
        Fact("body_part", Kind.BODY_PART, lambda of: of.body_part.part),
    )
}


def find_attribute(name: str) -> Attribute:
    """What a name in a rule file stands for; raises `ValueError` where it stands for nothing."""
    if name in FACTS:
        return FACTS[name]
    if name.partition(".")[0] in ("source", "series"):
        raise ValueError(f"there is no {name}; known are {', '.join(FACTS)}")
    # No keyword has a dot, and no tag.
    steps = name.split(".")
    tags = tuple(_find_tag(step) for step in steps)
    for step, tag in zip(steps[:-1], tags[:-1], strict=True):
        if _vr(tag) not in ("SQ", ""):
            raise ValueError(f"{step} is no sequence and has no items")
    if _vr(tags[-1]) == "SQ":
        raise ValueError(f"{steps[-1]} is a sequence: name an attribute of its items after a dot")
    return DicomAttribute(name, tags)


def _find_tag(step: str) -> int:
    match = TAG.fullmatch(step)
    tag = int(match[1] + match[2], 16) if match else tag_for_keyword(step)
    if tag is None:
        raise ValueError(f"{step!r} is no DICOM keyword, tag (gggg,eeee) or fact{_suggest(step)}")
    if tag >> 16 == FILE_META:
        raise ValueError(f"{step} is of the file and not of the image: no rule can ask for it")
    return tag


def _suggest(step: str) -> str:
    """The keyword or fact that was meant, perhaps."""
    words = {word.casefold(): word for word in (*keyword_dict, *FACTS)}
    close = get_close_matches(step.casefold(), words, 1, 0.8)
    return f"; did you mean {words[close[0]]}?" if close else ""


def _vr(tag: int) -> str:
    """Empty for a private tag, which no dictionary has."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _read_path(dataset: Dataset, tags: tuple[int, ...]) -> Iterator[str]:
    try:
        element = dataset.get(tags[0])
    except UNREADABLE:  # pydicom decodes on access
        return
    if not isinstance(element, DataElement):
        return
    if len(tags) == 1:
        yield from _read_values(element)
    elif isinstance(element.value, DicomSequence):
        for item in element.value:
            yield from _read_path(item, tags[1:])


def _read_values(element: DataElement) -> Iterator[str]:
    value = element.value
    if isinstance(value, bytes):  # of a private attribute, whose VR nothing tells
        value = value[:LONGEST_VALUE].decode("ascii", "replace")
    if value is None or isinstance(value, DicomSequence):
        return
    try:
        for one in value if isinstance(value, MultiValue) else (value,):
            yield str(one)[:LONGEST_VALUE].strip(" \0")
    except UNREADABLE:
        return
