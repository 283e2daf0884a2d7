"""The walk sees all that pydicom reads: what it did not count could be a bomb."""

from __future__ import annotations

import struct
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import filereader
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ImplicitVRLittleEndian

from contouring.dicom_files import UNREADABLE
from contouring.dicom_gate import DicomLimits, check_file
from contouring.element_walk import UNDEFINED, ElementWalk, Encoding
from contouring.errors import DicomLimitError
from tests.hostile.crafted_dicom import UIDS, write_meta

ANY = DicomLimits(value_bytes=2**33)
SYNTAXES = {
    "1.2.840.10008.1.2.1": Encoding(),
    ImplicitVRLittleEndian: Encoding(is_implicit=True),
    ExplicitVRBigEndian: Encoding(is_little_endian=False),
}
# A word, a number, a sequence, pixels, a private element, one that nobody knows, and the marks.
TAGS = (0x00081030, 0x00280010, 0x00400275, 0x7FE00010, 0x00991001, 0x00101999)
MARKS = (0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD)
VRS = (b"SQ", b"OB", b"UN", b"LO", b"US", b"UT", b"ZZ", b"\0\0")
LONG = (b"SQ", b"OB", b"UN", b"UT")

lengths = st.sampled_from([0, 2, 4, 8, 12, 16, 20, 40, 100, 0x10000, UNDEFINED])


@st.composite
def _build_piece(draw: st.DrawFn, order: str, is_implicit: bool) -> bytes:
    """The head of an element, of an item or of an end, or a few bytes of a value."""
    kind = draw(st.sampled_from(("element", "mark", "mark", "bytes")))
    if kind == "bytes":
        return draw(st.binary(max_size=9))
    length = draw(lengths)
    if kind == "mark":
        mark = draw(st.sampled_from(MARKS))
        return struct.pack(f"{order}HHL", mark >> 16, mark & 0xFFFF, length)
    tag, vr = draw(st.sampled_from(TAGS)), draw(st.sampled_from(VRS))
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if is_implicit or vr == b"\0\0":
        return head + struct.pack(f"{order}L", length)
    if vr in LONG:
        return head + vr + struct.pack(f"{order}2xL", length)
    return head + vr + struct.pack(f"{order}H", length & 0xFF)


@st.composite
def _build_dataset(draw: st.DrawFn) -> tuple[str, bytes]:
    """A transfer syntax and heads and values in any order, few of which fit together."""
    syntax = draw(st.sampled_from(tuple(SYNTAXES)))
    encoding = SYNTAXES[syntax]
    order = "<" if encoding.is_little_endian else ">"
    others = st.booleans().map(lambda is_other: encoding.is_implicit != is_other)
    pieces = others.flatmap(lambda is_implicit: _build_piece(order, is_implicit))
    return syntax, b"".join(draw(st.lists(pieces, max_size=25)))


class _Count:
    """What pydicom reads, however far it comes: elements and items."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.elements = self.items = 0
        generate, read_item = filereader.data_element_generator, filereader.read_sequence_item

        def count_elements(*arguments: object, **named: object) -> Iterator[object]:
            for element in generate(*arguments, **named):  # type: ignore[arg-type]
                self.elements += 1
                yield element

        def count_items(*arguments: object, **named: object) -> object:
            item = read_item(*arguments, **named)  # type: ignore[arg-type]
            self.items += item is not None
            return item

        monkeypatch.setattr(filereader, "data_element_generator", count_elements)
        monkeypatch.setattr(filereader, "read_sequence_item", count_items)

    def read(self, content: bytes) -> None:
        """All of a file, each value of it."""
        with warnings.catch_warnings(), suppress(*UNREADABLE, OSError):
            warnings.simplefilter("ignore")
            self._visit(pydicom.dcmread(BytesIO(content)))

    def _visit(self, dataset: pydicom.Dataset) -> None:
        for tag in list(dataset.keys()):
            with suppress(*UNREADABLE, OSError):
                element = dataset[tag]
                if element.VR == "SQ":
                    for item in element.value:
                        self._visit(item)


@given(drawn=_build_dataset())
@settings(max_examples=500, deadline=None, derandomize=True)
def test_nothing_is_read_that_was_not_counted(drawn: tuple[str, bytes]) -> None:
    """In any order of heads, lengths and marks, in each encoding."""
    syntax, dataset = drawn
    content = write_meta(syntax, CTImageStorage, UIDS[0], b"") + dataset
    walks: list[ElementWalk] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        read = _Count(monkeypatch)
        read.read(content)
        monkeypatch.setattr(ElementWalk, "__init__", _note(walks))
        is_refused = not _passes(content)

    if not is_refused:
        assert sum(walk._items for walk in walks) >= read.items
        assert sum(walk._elements for walk in walks) >= read.elements


def _note(walks: list[ElementWalk]) -> Callable[..., None]:
    begin = ElementWalk.__init__

    def note(walk: ElementWalk, *arguments: Any, **named: Any) -> None:
        begin(walk, *arguments, **named)
        walks.append(walk)

    return note


def _passes(content: bytes) -> bool:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            check_file(Path(file.name), ANY)
        except DicomLimitError:
            return False
    return True
