"""Lint rules on values and character sets, wherever in the file they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_is_retired

from contouring.data_elements import (
    CHARACTER_SET_VRS,
    ESCAPE,
    Element,
    encoding_of,
)
from contouring.lint_rules import THE_FILE, Severity, Subject, place_of, rule

CONTOUR_DATA = 0x30060050
LONGEST_UID = 64
LONGEST_DS = 16
UID = re.compile(rb"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")
# PS3.5 table 6.2-1: the longest single value, in characters of text and bytes of the rest.
LONGEST = {"AE": 16, "CS": 16, "DS": 16, "IS": 12, "SH": 16, "LO": 64, "ST": 1024, "LT": 10240}
SINGLE_VALUED = frozenset(["ST", "LT", "UT"])  # a backslash is only a character there
FORMATS = {
    "CS": re.compile(rb"[A-Z0-9 _]*"),
    "DA": re.compile(rb"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "TM": re.compile(rb"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?|60(\.\d{1,6})?)?)?"),
    "DS": re.compile(rb"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"),
    "IS": re.compile(rb"[+-]?\d+"),
    "AS": re.compile(rb"\d{3}[DWMY]"),
}


@rule(
    "value-length",
    Severity.ERROR,
    "PS3.5 6.2",
    "No value is longer than its VR allows.",
)
def value_length(subject: Subject) -> Iterator[tuple[str, str]]:
    """Strict readers refuse the file, others cut the value off."""
    for where, element, values in _texts(subject):
        limit = LONGEST.get(element.vr)
        longest = max(values, key=len)
        if limit is not None and len(longest) > limit:
            yield (
                where,
                f"{element.name} has {len(longest)} characters where {element.vr} allows {limit}: "
                "strict readers refuse it, others cut it off.",
            )


@rule(
    "value-format",
    Severity.ERROR,
    "PS3.5 6.2",
    "Codes, dates, times, ages and numbers are written as their VR demands.",
)
def value_format(subject: Subject) -> Iterator[tuple[str, str]]:
    """A number that cannot be read stops a reader."""
    for where, element, _ in _texts(subject):
        pattern = FORMATS.get(element.vr)
        if pattern is None:
            continue
        for value in element.value.strip(b" \0").split(b"\\"):
            if value.strip(b" ") and not pattern.fullmatch(value.strip(b" ")):
                yield (
                    where,
                    f"{element.name} holds {_shown(value)}, which is no {element.vr} value: "
                    "readers stop there or take it for nothing.",
                )
                break


@rule(
    "invalid-uid",
    Severity.ERROR,
    "PS3.5 9.1",
    "A UID has at most 64 characters: numbers without leading zeros, joined by dots.",
)
def invalid_uid(subject: Subject) -> Iterator[tuple[str, str]]:
    """Archives refuse the file."""
    for where, element, _ in subject.file.elements:
        if element.vr != "UI":
            continue
        for value in element.value.strip(b" \0").split(b"\\"):
            if value and (len(value) > LONGEST_UID or not UID.fullmatch(value)):
                yield (
                    place_of(where),
                    f"{element.name} holds {_shown(value)}, which is no UID: archives refuse it.",
                )


@rule(
    "contour-value-length",
    Severity.ERROR,
    "PS3.5 6.2",
    "A coordinate (DS) has at most 16 bytes.",
)
def contour_value_length(subject: Subject) -> Iterator[tuple[str, str]]:
    """Some planning systems refuse the whole file for one longer value."""
    for contour in subject.file.contours:
        if len(contour.longest_value.strip(b" ")) > LONGEST_DS:
            yield (
                contour.where,
                f"the coordinate {_shown(contour.longest_value)} has "
                f"{len(contour.longest_value)} bytes; DS allows 16: some planning systems refuse "
                "the file.",
            )


@rule(
    "contour-value",
    Severity.ERROR,
    "PS3.5 6.2",
    "Every coordinate is a decimal number, less than a kilometre from the origin.",
)
def contour_value(subject: Subject) -> Iterator[tuple[str, str]]:
    """The contour cannot be drawn."""
    for contour in subject.file.contours:
        if contour.unreadable is not None:
            yield (
                contour.where,
                f"{_shown(contour.unreadable)} is no coordinate: the contour cannot be drawn.",
            )


@rule(
    "unknown-character-set",
    Severity.ERROR,
    "PS3.3 C.12.1.1.2",
    "SpecificCharacterSet holds defined terms.",
)
def unknown_character_set(subject: Subject) -> Iterator[tuple[str, str]]:
    """Names cannot be decoded."""
    for term in subject.file.content.character_sets:
        if term and term not in python_encoding:
            yield (
                THE_FILE,
                f"SpecificCharacterSet holds {term!r}, which is none: names cannot be decoded.",
            )


@rule(
    "undecodable-text",
    Severity.ERROR,
    "PS3.5 6.1",
    "Text holds only bytes of the character set that the file names.",
)
def undecodable_text(subject: Subject) -> Iterator[tuple[str, str]]:
    """Each reader shows another name."""
    for where, element, item in subject.file.elements:
        value = element.value
        if element.tag == CONTOUR_DATA or value.isascii() or ESCAPE in value:
            continue
        is_text = element.vr in CHARACTER_SET_VRS
        term = item.character_sets[0] if is_text else ""
        encoding = encoding_of(term) if term in python_encoding and term else "ascii"
        if (is_text or element.vr in FORMATS) and not _decodes(value, encoding):
            named = "\\".join(item.character_sets) or "ASCII, as none is named"
            yield (
                place_of(where),
                f"{element.name} holds bytes beyond its character set ({named}): readers show "
                "different or broken text.",
            )


@rule(
    "lost-characters",
    Severity.WARNING,
    "PS3.3 C.12.1.1.2",
    "The patient's name has no question marks in place of letters.",
)
def lost_characters(subject: Subject) -> Iterator[tuple[str, str]]:
    """What a library writes that forces another character set upon a name."""
    if "??" in subject.file.content.text("PatientName"):
        yield (
            THE_FILE,
            "PatientName consists of question marks: its letters were lost when the file was "
            "written in too small a character set, and it matches no patient.",
        )


@rule(
    "private-attribute",
    Severity.NOTE,
    "PS3.5 7.8",
    "There are no private attributes.",
)
def private_attribute(subject: Subject) -> Iterator[tuple[str, str]]:
    """They may hold what was meant to be removed, and only their maker understands them."""
    tags = {element.name for _, element, _ in subject.file.elements if element.is_private}
    if tags:
        listed = ", ".join(sorted(tags)[:5]) + (", ..." if len(tags) > 5 else "")
        yield (
            THE_FILE,
            f"There are private attributes ({listed}): other systems ignore them, and they may "
            "identify a patient.",
        )


@rule(
    "retired-attribute",
    Severity.NOTE,
    "PS3.6 6",
    "There are no retired attributes.",
)
def retired_attribute(subject: Subject) -> Iterator[tuple[str, str]]:
    """Newer readers need not know them."""
    names = {element.name for _, element, _ in subject.file.elements if _is_retired(element.tag)}
    for name in sorted(names):
        yield THE_FILE, f"{name} is retired from the standard: newer readers ignore it."


def _texts(subject: Subject) -> Iterator[tuple[str, Element, list[str]]]:
    """Text elements with a value, and their single values; contours have rules of their own."""
    for where, element, item in subject.file.elements:
        if element.vr not in LONGEST and element.vr not in FORMATS:
            continue
        if element.tag == CONTOUR_DATA or element.is_empty:
            continue
        encoding = encoding_of(item.character_sets[0])
        text = element.value.rstrip(b" \0").decode(encoding, "replace")
        values = [text] if element.vr in SINGLE_VALUED else text.split("\\")
        yield place_of(where), element, values


def _decodes(value: bytes, encoding: str) -> bool:
    try:
        value.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_retired(tag: int) -> bool:
    try:
        return dictionary_is_retired(tag)
    except KeyError:
        return False


def _shown(value: bytes) -> str:
    text = value[:40].decode("ascii", "replace")
    return f'"{text}{"..." if len(value) > 40 else ""}"'


RULES = (
    value_length,
    value_format,
    invalid_uid,
    contour_value_length,
    contour_value,
    unknown_character_set,
    undecodable_text,
    lost_characters,
    private_attribute,
    retired_attribute,
)
