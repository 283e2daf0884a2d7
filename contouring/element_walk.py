"""Walks over the elements of a data set (PS3.5 section 7) in its bytes, and counts them.

A parser makes objects of what it reads and calls itself for each sequence: a few kilobytes can cost
it a gigabyte, or all of its stack. This reads tags and lengths alone, with a list for a stack, and
where writers disagree with the standard it takes the same turns as pydicom, which reads the file
after it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_VR

from contouring.opened_files import Content, FileContent

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR"})
LONG_VRS |= {b"UT", b"UV"}  # those with 4 bytes of length (PS3.5 7.1.2)
NO_END = 1 << 62


class WalkLimitError(ValueError):
    """More than a limit allows, in words; `sop_class_uid`: of what, where that is known."""

    sop_class_uid = ""


@dataclass(frozen=True)
class WalkLimits:
    """`elements`, `items` and `fragments`: of all levels together."""

    depth: int
    elements: int
    items: int
    fragments: int
    value_bytes: int


@dataclass(frozen=True)
class Encoding:
    """How the numbers of a data set are written."""

    is_implicit: bool = False
    is_little_endian: bool = True


@dataclass(slots=True)
class _Level:
    """A sequence, or a data set in one.

    `end`: where it is over, by its length; `bound`: where the bytes are over that pydicom reads it
    from, those of a value or of the file; `resumes`: where its parent goes on, where it has such a
    value of its own.
    """

    is_sequence: bool
    end: int
    bound: int
    is_implicit: bool
    resumes: int | None = None


Look = Callable[[int, bytes, memoryview], WalkLimits | None]
"""Sees tag, VR (none if implicit) and value of the outermost elements; may give other limits."""


class ElementWalk:
    """One walk over `content` from `start`; `look` sees the values of the outermost level."""

    def __init__(
        self,
        content: Content,
        start: int,
        encoding: Encoding,
        limits: WalkLimits,
        look: Look = lambda _tag, _vr, _value: None,
    ) -> None:
        self._content = content
        self._position = start
        self._limits = limits
        self._look = look
        self._size = len(content)
        order = "<" if encoding.is_little_endian else ">"
        self._sequence_end = struct.pack(f"{order}HH", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF)
        self._read_implicit = _build_reader(f"{order}HHL", content)
        self._read_explicit = _build_reader(f"{order}HH2sH", content)
        self._read_length = _build_reader(f"{order}L", content)
        is_implicit = self._is_implicit(start, encoding.is_implicit)
        self._levels = [_Level(False, NO_END, self._size, is_implicit)]
        self._elements = self._items = self._fragments = 0

    def go(self, only_group: int | None = None) -> int:
        """Walk to the end, or to the first element of another group; returns where that is.

        Raises `WalkLimitError`. What breaks off ends the walk, as it ends every other reading.
        """
        while True:
            level = self._levels[-1]
            if self._position >= level.end:
                self._leave()
            elif self._position + 8 > level.bound:
                if not self._leave_value():
                    break
            elif level.is_sequence:
                self._take_item(level)
            elif not self._take_element(level, only_group):
                break
        return self._position

    def _leave(self) -> None:
        level = self._levels.pop()
        if level.resumes is not None:
            self._position = level.resumes

    def _leave_value(self) -> bool:
        """It breaks off, and with it all that is read from it; False where that is the file."""
        while len(self._levels) > 1:
            level = self._levels[-1]
            self._leave()
            if level.resumes is not None:
                return True
        return False

    def _take_item(self, sequence: _Level) -> None:
        group, element, length = self._read_implicit(self._content, self._position)
        self._position += 8
        if (group << 16 | element) == SEQUENCE_END:
            self._leave()
            return
        # Whatever stands in an item's place is read as one.
        self._items += 1
        if self._items > self._limits.items:
            raise WalkLimitError(f"it has more than {self._limits.items} items in sequences")
        end = NO_END if length == UNDEFINED else self._position + length
        is_implicit = sequence.is_implicit or self._is_implicit(self._position, False)
        self._levels.append(_Level(False, min(end, sequence.end), sequence.bound, is_implicit))

    def _take_element(self, level: _Level, only_group: int | None) -> bool:
        content, start = self._content, self._position
        vr = b""
        if level.is_implicit:
            group, element, length = self._read_implicit(content, start)
            self._position += 8
        else:
            group, element, vr, length = self._read_explicit(content, start)
            self._position += 8
            if vr in LONG_VRS:
                if self._position + 4 > level.bound:
                    return self._leave_value()
                (length,) = self._read_length(content, self._position)
                self._position += 4
            elif not b"AA" <= vr <= b"ZZ":  # some writers change to implicit on the way
                vr = b""
                _, _, length = self._read_implicit(content, start)
        tag = group << 16 | element
        if only_group not in (None, group) and len(self._levels) == 1:
            self._position = start
            return False
        if tag == ITEM_END:
            if len(self._levels) == 1:
                return False
            self._leave()
            return True
        self._elements += 1
        if self._elements > self._limits.elements:
            raise WalkLimitError(f"it has more than {self._limits.elements} elements")
        if length == UNDEFINED:
            return self._take_undefined(level, tag, vr)
        self._take_defined(level, tag, vr, length)
        return True

    def _take_undefined(self, level: _Level, tag: int, vr: bytes) -> bool:
        # UN of no length is a sequence whatever it holds (PS3.5 6.2.2).
        is_sequence = vr in (b"SQ", b"UN")
        if not vr:
            known = _find_vr(tag)
            is_sequence = known == "SQ" or (known is None and self._begins_with_item(level.bound))
        if is_sequence:
            self._enter(NO_END, level.bound, level.is_implicit, None)
            return True
        start = self._position
        if not self._pass_fragments(level.bound):
            # pydicom then looks for the delimiter from the value's beginning, wherever it stands.
            self._position = self._content.find(self._sequence_end, start, level.bound) + 8
            if self._position < start:
                if len(self._levels) > 1:
                    raise WalkLimitError("a value in one of its sequences has no end")
                return False
        if tag not in PIXELS:
            self._check_value(tag, self._position - 8 - start)
        return True

    def _take_defined(self, level: _Level, tag: int, vr: bytes, length: int) -> None:
        end = self._position + length
        bound = min(end, level.bound)
        if length >= 8 and self._holds_items(tag, vr, bound):
            self._enter(bound, bound, level.is_implicit, end)
            return
        if tag in PIXELS:
            self._pass_fragments(bound)  # a decoder lists them too where their length is said
        else:
            self._check_value(tag, length)
        if len(self._levels) == 1:
            value = self._view(end - length, end)
            try:
                self._limits = self._look(tag, vr, value) or self._limits
            finally:
                value.release()
        self._position = end

    def _holds_items(self, tag: int, vr: bytes, bound: int) -> bool:
        """Whether its value is a sequence, said or not."""
        if vr == b"SQ":
            return True
        if vr not in (b"", b"UN") or tag in PIXELS:
            return False
        return _find_vr(tag) == "SQ" or self._begins_with_item(bound)

    def _begins_with_item(self, bound: int) -> bool:
        if self._position + 8 > bound:
            return False
        group, element, _ = self._read_implicit(self._content, self._position)
        return bool((group << 16 | element) == ITEM)

    def _enter(self, end: int, bound: int, is_implicit: bool, resumes: int | None) -> None:
        depth = sum(level.is_sequence for level in self._levels) + 1
        if depth > self._limits.depth:
            raise WalkLimitError(f"its sequences are nested deeper than {self._limits.depth}")
        self._levels.append(_Level(True, end, bound, is_implicit, resumes))

    def _pass_fragments(self, bound: int) -> bool:
        """From one fragment of encapsulated pixels to the next (PS3.5 A.4); whether they end so."""
        while self._position + 8 <= bound:
            group, element, length = self._read_implicit(self._content, self._position)
            tag = group << 16 | element
            self._position += 8
            if tag != ITEM:
                return bool(tag == SEQUENCE_END)
            self._fragments += 1
            if self._fragments > self._limits.fragments:
                raise WalkLimitError(
                    f"it has more than {self._limits.fragments} fragments of pixels"
                )
            self._position += length
        return False

    def _view(self, start: int, end: int) -> memoryview:
        if isinstance(self._content, FileContent):
            return memoryview(self._content[start : min(end, start + self._limits.value_bytes)])
        return memoryview(self._content)[start:end]

    def _check_value(self, tag: int, length: int) -> None:
        if length > self._limits.value_bytes:
            raise WalkLimitError(
                f"its element ({tag >> 16:04X},{tag & 0xFFFF:04X}) is {length} bytes, over "
                f"{self._limits.value_bytes}"
            )

    def _is_implicit(self, position: int, is_said: bool) -> bool:
        """By what stands where a VR would, as pydicom does; in a sequence nothing turns back."""
        vr = bytes(self._content[position + 4 : position + 6])
        if len(vr) < 2:
            return is_said
        return not all(0x40 < letter < 0x5B for letter in vr)


def _build_reader(form: str, content: Content) -> Callable[[Any, int], tuple[Any, ...]]:
    """Numbers at a place of the content."""
    known = struct.Struct(form)
    if not isinstance(content, FileContent):
        return known.unpack_from
    return lambda there, position: known.unpack(there[position : position + known.size])


def _find_vr(tag: int) -> str | None:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None
