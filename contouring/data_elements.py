"""DICOM data elements read from bytes (PS3.5 section 7), by code of our own.

It judges files: those we write, so it shares nothing with the library that writes them, and those
of others, so it goes on behind a fault, which it names, and raises nothing for what is damaged.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache

from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from contouring.errors import NotDicomError

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
LARGEST_INFLATED_BYTES = 512 * 2**20  # a bomb of a few kilobytes could fill any memory
DEEPEST_NESTING = 16
PREAMBLE_BYTES = 128
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
CHARACTER_SET = 0x00080005
LONG_HEADER_VRS = frozenset(
    ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)
SHORT_HEADER_VRS = frozenset(
    ["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS"]
) | frozenset(["LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"])
VRS = LONG_HEADER_VRS | SHORT_HEADER_VRS
# What SpecificCharacterSet governs (PS3.5 6.1.2.2); other text is ASCII.
CHARACTER_SET_VRS = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
PERSON_NAME_DELIMITERS = {0x5C, 0x5E, 0x3D}
ESCAPE = b"\x1b"
TAGS_REMEMBERED = 8192  # more than the dictionary has: strangers' files may have others for ever


@dataclass(frozen=True, eq=False)
class Element:
    """One data element. `items` is None for anything but a sequence; `value` are raw bytes."""

    tag: int
    vr: str
    value: bytes
    items: tuple[Item, ...] | None = None

    @property
    def name(self) -> str:
        """Keyword and tag, as messages show it."""
        number = f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"
        keyword = keyword_for_tag(self.tag)
        return f"{keyword} {number}" if keyword else number

    @property
    def is_private(self) -> bool:
        """Of an odd group (PS3.5 7.8)."""
        return (self.tag >> 16) % 2 == 1

    @property
    def is_empty(self) -> bool:
        """Without a value, or a sequence without items."""
        return not (self.items if self.items is not None else self.value.strip(b" \0"))


@dataclass(frozen=True, eq=False)
class Item:
    """A data set or an item of a sequence: its elements by tag, and the character sets in force."""

    elements: Mapping[int, Element]
    character_sets: tuple[str, ...] = ("",)

    def find(self, keyword: str) -> Element | None:
        """The element of that keyword, if it is there."""
        return self.elements.get(_tag(keyword))

    def raw(self, keyword: str) -> bytes:
        """The value without padding; empty when it is not there."""
        element = self.find(keyword)
        return b"" if element is None else element.value.strip(b" \0")

    def text(self, keyword: str) -> str:
        """The decoded value; empty when it is not there."""
        element = self.find(keyword)
        return "" if element is None else decoded(element, self.character_sets)

    def integer(self, keyword: str) -> int | None:
        """An IS or US value; None when it is not there or no whole number."""
        text = self.raw(keyword)
        return int(text) if re.fullmatch(rb"[+-]?\d{1,12}", text) else None

    def items(self, keyword: str) -> tuple[Item, ...]:
        """The items of a sequence; none when it is not there."""
        element = self.find(keyword)
        return element.items or () if element is not None else ()

    def walk(self, path: str = "") -> Iterator[tuple[str, Element, Item]]:
        """Every element within, with the path that leads there and the item that holds it."""
        for element in self.elements.values():
            yield path, element, self
            for number, item in enumerate(element.items or (), start=1):
                name = keyword_for_tag(element.tag) or element.name
                yield from item.walk(f"{path}{name} {number} > ")


@dataclass(frozen=True, eq=False)
class DataSet:
    """A file: its meta information, its data set and what was wrong with its bytes.

    `transfer_syntax_uid`: as the file names it, else empty; `faults`: sentences.
    """

    meta: Item
    content: Item
    transfer_syntax_uid: str
    has_preamble: bool
    faults: tuple[str, ...] = field(default=())

    @property
    def is_explicit(self) -> bool:
        """Whether the elements carry their VR."""
        return self.transfer_syntax_uid not in ("", IMPLICIT_LITTLE_ENDIAN)


def decoded(element: Element, character_sets: tuple[str, ...]) -> str:
    """A text value in its character sets (PS3.3 C.12.1.1.2), bytes beyond them replaced."""
    text = element.value.rstrip(b" \0")
    if element.vr not in CHARACTER_SET_VRS:
        return text.decode("ascii", "replace").strip()
    encodings = [encoding_of(term) for term in character_sets]
    if ESCAPE in text and len(encodings) > 1:
        return decode_bytes(text, encodings, PERSON_NAME_DELIMITERS).strip()
    return text.decode(encodings[0], "replace").strip()


def encoding_of(term: str) -> str:
    """Python's name of a defined term; Latin-1, as most readers do, where none is known."""
    return python_encoding.get(term, "latin-1")


def read_data_set(content: bytes) -> DataSet:
    """The elements of a file; raises `NotDicomError` for what is no DICOM at all."""
    has_preamble = content[PREAMBLE_BYTES : PREAMBLE_BYTES + 4] == b"DICM"
    start = PREAMBLE_BYTES + 4 if has_preamble else 0
    meta_reader = _Reader(content, is_explicit=True)
    meta, start = meta_reader.read_group_two(start)
    named = meta.raw("TransferSyntaxUID").decode("ascii", "replace")
    body, faults = content, list(meta_reader.faults)
    if named == DEFLATED:
        body, start = _inflated(content[start:], faults), 0
    is_explicit = named != IMPLICIT_LITTLE_ENDIAN
    if not named:
        is_explicit = content[start + 4 : start + 6].decode("ascii", "replace") in VRS
    reader = _Reader(body, is_explicit, is_big_endian=named == EXPLICIT_BIG_ENDIAN)
    elements = reader.read_all(start)
    if not has_preamble and not elements.raw("SOPClassUID").startswith(b"1.2."):
        raise NotDicomError("The file")
    return DataSet(meta, elements, named, has_preamble, (*faults, *reader.faults))


def _inflated(deflated: bytes, faults: list[str]) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = inflater.decompress(deflated, LARGEST_INFLATED_BYTES)
    except zlib.error as error:
        faults.append(f"The deflated data set cannot be inflated ({error}).")
        return b""
    if not inflater.eof:
        faults.append("The deflated data set is cut off, or too large to be inflated.")
    return content


@cache
def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@lru_cache(TAGS_REMEMBERED)
def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:  # private, or unknown to this edition of the dictionary
        return "UN"


@dataclass(frozen=True)
class _Nesting:
    """Where a data set stands: how deep, and the character sets of what is around it."""

    depth: int = 0
    character_sets: tuple[str, ...] = ("",)

    def within(self, elements: Mapping[int, Element]) -> _Nesting:
        return _Nesting(self.depth + 1, _character_sets(elements, self.character_sets))


@dataclass(eq=False)
class _Reader:
    content: bytes
    is_explicit: bool
    is_big_endian: bool = False
    faults: list[str] = field(default_factory=list)

    def read_group_two(self, start: int) -> tuple[Item, int]:
        """File Meta Information (PS3.10 7.1), always explicit VR little endian."""
        end = start
        while self.content[end : end + 2] == b"\x02\x00":
            following = self._element_end(end)
            if following is None:
                break
            end = following
        elements, _ = self._elements(start, end, _Nesting())
        return Item(elements), end

    def read_all(self, start: int) -> Item:
        """Everything from `start` to the end of the content."""
        elements, _ = self._elements(start, len(self.content), _Nesting())
        return Item(elements, _character_sets(elements, ("",)))

    def _element_end(self, start: int) -> int | None:
        header = self._header(start, len(self.content))
        return None if header is None else header[3] + header[2]

    def _number(self, start: int, length: int) -> int:
        order = "big" if self.is_big_endian else "little"
        return int.from_bytes(self.content[start : start + length], order)  # type: ignore[arg-type]

    def _tag_at(self, start: int) -> int:
        return self._number(start, 2) << 16 | self._number(start + 2, 2)

    def _header(self, start: int, end: int) -> tuple[int, str, int, int] | None:
        """Tag, VR, length and the place of the value; None where no element can begin."""
        if start + 8 > end:
            self.faults.append(f"{end - start} bytes at byte {start} are no whole element.")
            return None
        tag = self._tag_at(start)
        if not self.is_explicit or tag >> 16 == 0xFFFE:
            return tag, _dictionary_vr(tag), self._number(start + 4, 4), start + 8
        vr = self.content[start + 4 : start + 6].decode("ascii", "replace")
        if vr not in VRS:
            self.faults.append(f"The element at byte {start} has no known VR.")
            return None
        if vr not in LONG_HEADER_VRS:
            return tag, vr, self._number(start + 6, 2), start + 8
        return tag, vr, self._number(start + 8, 4), start + 12

    def _elements(self, start: int, end: int, nesting: _Nesting) -> tuple[dict[int, Element], int]:
        """Elements up to `end` or the item's delimiter, and the place behind them."""
        elements: dict[int, Element] = {}
        while start < end:
            header = self._header(start, end)
            if header is None:
                return elements, end
            tag, vr, length, value = header
            if tag == ITEM_END:
                return elements, value
            if vr == "SQ" or length == UNDEFINED_LENGTH:
                inner = nesting.within(elements)
                items, start = self._sequence(header, end, inner)
                elements[tag] = Element(tag, vr, b"", items)
                continue
            start = self._within(tag, value + length, end)
            if tag in elements:
                self.faults.append(f"{elements[tag].name} stands twice in one data set.")
            elements[tag] = Element(tag, vr, self.content[value:start])
        return elements, start

    def _within(self, tag: int, stop: int, end: int) -> int:
        if stop <= end:
            return stop
        name = Element(tag, "", b"").name
        self.faults.append(f"{name} is cut off: {stop - end} of its bytes are missing.")
        return end

    def _sequence(
        self, header: tuple[int, str, int, int], end: int, nesting: _Nesting
    ) -> tuple[tuple[Item, ...], int]:
        tag, vr, length, start = header
        is_open = length == UNDEFINED_LENGTH
        end = end if is_open else self._within(tag, start + length, end)
        reader = self
        if vr == "UN":  # implicit VR little endian, whatever the file is (PS3.5 6.2.2, note 4)
            reader = _Reader(self.content, is_explicit=False, faults=self.faults)
        items: list[Item] = []
        while start + 8 <= end and nesting.depth <= DEEPEST_NESTING:
            item, item_length = reader._tag_at(start), reader._number(start + 4, 4)
            if item == SEQUENCE_END:
                return tuple(items), start + 8
            if item != ITEM:
                break
            stop = end
            if item_length != UNDEFINED_LENGTH:
                stop = reader._within(tag, start + 8 + item_length, end)
            elements, start = reader._elements(start + 8, stop, nesting)
            items.append(Item(elements, _character_sets(elements, nesting.character_sets)))
        if start < end or is_open:
            self.faults.append(f"A sequence is broken at byte {start}: no item begins there.")
        return tuple(items), end


def _character_sets(elements: Mapping[int, Element], inherited: tuple[str, ...]) -> tuple[str, ...]:
    own = elements.get(CHARACTER_SET)
    if own is None:
        return inherited
    return tuple(
        term.strip() for term in own.value.decode("ascii", "replace").strip("\0 ").split("\\")
    )
