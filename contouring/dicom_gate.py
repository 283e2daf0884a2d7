"""What a DICOM file may cost, judged from its bytes before anything parses it or makes room for it.

Every file that a stranger sends passes here first. Nothing is allocated for what a file declares:
deflated data is inflated piece by piece and forgotten, and the rest is looked at where it lies.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.values import converters

from contouring.dicom_files import GROUP_LENGTH_BYTES, MOST_HEADER_BYTES, PREAMBLE
from contouring.element_walk import (
    ITEM_END,
    ElementWalk,
    Encoding,
    WalkLimitError,
    WalkLimits,
)
from contouring.errors import DicomLimitError
from contouring.multiframe import SLICE_CLASSES
from contouring.opened_files import Content, looking_at, open_file

MAGIC = PREAMBLE[128:]
META_GROUP = 0x0002
META_LENGTH = 0x00020000
TRANSFER_SYNTAX = 0x00020010
SOP_CLASS = 0x00080016
FRAMES, ROWS, COLUMNS, BITS = 0x00280008, 0x00280010, 0x00280011, 0x00280100
PIECE_BYTES = 2**20
LARGER = 10  # other objects than one slice: functional groups of each frame, points of contours
BYTES_EACH = 32  # of a large file of theirs, for each element or item
MOST_EACH = 4_000_000  # of them in any file: what pydicom makes of more takes gigabytes
ITEM_END_BYTES = struct.pack("<HH", ITEM_END >> 16, ITEM_END & 0xFFFF)
SHORT = 64  # bytes of what is looked at: the longest is a UID (PS3.5 9.1)


@dataclass(frozen=True)
class DicomLimits:
    """`side`, `least_side`, `frames` and `bits`: of CTs; `inflated_bytes`: of deflated files, whose
    ratio counts from `inflate_ratio_bytes` on."""

    file_bytes: int = 2**30
    depth: int = 32
    elements: int = 20_000
    items: int = 20_000
    value_bytes: int = 16 * 2**20
    side: int = 2048
    least_side: int = 16
    frames: int = 4000
    bits: int = 16
    inflated_bytes: int = 256 * 2**20
    inflate_ratio: float = 20.0
    inflate_ratio_bytes: int = 16 * 2**20

    @property
    def walk(self) -> WalkLimits:
        """Those of any data set."""
        return WalkLimits(self.depth, self.elements, self.items, self.items, self.value_bytes)


def check_file(path: Path, limits: DicomLimits, name: str = "") -> None:
    """Raise `DicomLimitError` where a file is more than what may be read.

    `name`: what the sender calls it. What is no DICOM file is left to whoever reads it.
    """
    with open_file(path) as file:
        if file.read(len(PREAMBLE))[128:] != MAGIC:
            return
        try:
            with looking_at(file) as content:
                _check_part10(content, limits)
        except WalkLimitError as error:
            sop_class = UID(error.sop_class_uid)
            other = sop_class if sop_class.is_valid and sop_class not in SLICE_CLASSES else ""
            raise DicomLimitError(name or path.name, str(error), other) from error


def _check_dataset(
    content: Content,
    start: int,
    syntax: str,
    limits: DicomLimits,
    file_bytes: int,
    fault: str,
) -> None:
    """`fault`: what is wrong with it already; of what is still to be seen."""
    encoding = Encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    looks = _Looks(limits, encoding, file_bytes)
    try:
        ElementWalk(content, start, encoding, limits.walk, looks.take).go()
        if fault:
            raise WalkLimitError(fault)
        looks.check()
    except WalkLimitError as error:
        error.sop_class_uid = looks.sop_class
        raise


def _check_part10(content: Content, limits: DicomLimits) -> None:
    size = len(content)
    fault = f"it is {size} bytes, over {limits.file_bytes}" if size > limits.file_bytes else ""
    syntax: str | None = None
    meta_bytes = b""

    def note(tag: int, vr: bytes, value: memoryview) -> None:
        nonlocal syntax, meta_bytes
        if vr and vr.decode("latin-1") not in converters:
            raise WalkLimitError("its meta group has an unknown VR")  # pydicom reads it once more
        if tag == META_LENGTH:
            meta_bytes = bytes(value[:SHORT]) if vr in (b"", b"UL") else b""
        elif tag == TRANSFER_SYNTAX:
            if vr not in (b"", b"UI"):
                raise WalkLimitError("its transfer syntax is not written as a UID")
            syntax = _read_uid(tag, value)

    walk = ElementWalk(content, len(PREAMBLE), Encoding(), limits.walk, note)
    start = walk.go(META_GROUP)
    _check_begin(content[start : start + 8])
    if syntax is None:
        syntax = _guess_syntax(content[start : start + 6])
    if syntax == DeflatedExplicitVRLittleEndian:
        if meta_bytes != struct.pack("<L", start - len(PREAMBLE) - GROUP_LENGTH_BYTES):
            # By which its reader finds what is deflated.
            raise WalkLimitError("its meta group is not as long as it says")
        inflated, inflation_fault = _inflate(content, start, limits)
        _check_begin(inflated[:8])
        _check_dataset(inflated, 0, syntax, limits, size, fault or inflation_fault)
    else:
        _check_dataset(content, start, syntax, limits, size, fault)


def _check_begin(begin: bytes) -> None:
    """Refuse a data set of whose beginning pydicom makes something else (PS3.10 7.1)."""
    if begin[:2] == b"\0\0":  # it takes them out first, in an encoding of their own
        raise WalkLimitError("it has a command (group 0000), which no file may have")
    # What was deflated may have one; less than 8 bytes are what a broken file ends with.
    if begin[:2] == b"\2\0" and len(begin) == 8:
        raise WalkLimitError("it has a second meta group, which no file may have")
    if begin[:4] == ITEM_END_BYTES:  # which it passes over
        raise WalkLimitError("it begins with the end of an item")


def _guess_syntax(begin: bytes) -> str:
    """By the first element's tag and VR, as pydicom does; the walk tells implicit by itself."""
    if len(begin) == 6:
        group, _, vr = struct.unpack("<HH2s", begin)
        if group >= 0x0400 and vr.decode("latin-1") in converters:
            return ExplicitVRBigEndian
    return ""


def _read_uid(tag: int, value: memoryview) -> str:
    """As pydicom does, which strips NULs on the right alone."""
    return _take_short(tag, value).decode("latin-1").rstrip("\0 ").strip()


def _take_short(tag: int, value: memoryview) -> bytes:
    if len(value) > SHORT:
        raise WalkLimitError(
            f"its element ({tag >> 16:04X},{tag & 0xFFFF:04X}) is {len(value)} bytes, over {SHORT}"
        )
    return bytes(value)


def _inflate(content: Content, start: int, limits: DicomLimits) -> tuple[bytes, str]:
    """What a header may be of, and what is wrong with the rest, which is counted."""
    compressed = len(content) - start
    by_ratio = max(limits.inflate_ratio_bytes, int(compressed * limits.inflate_ratio))
    most = min(limits.inflated_bytes, by_ratio)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    head, inflated, position = bytearray(), 0, start
    pending = b""
    try:
        while not stream.eof and (pending or position < len(content)):
            if not pending:
                pending = content[position : position + PIECE_BYTES]
                position += PIECE_BYTES
            piece = stream.decompress(pending, PIECE_BYTES)
            pending = stream.unconsumed_tail
            inflated += len(piece)
            if inflated > most:
                return bytes(head), f"it inflates to more than {most} bytes"
            head += piece[: max(0, MOST_HEADER_BYTES - len(head))]
    except zlib.error as error:
        if not head:
            raise WalkLimitError("what it says is deflated cannot be inflated") from error
        # else as far as it goes; whoever reads it says so
    return bytes(head), ""


class _Looks:
    """What the outermost elements say of the size of pixels."""

    def __init__(self, limits: DicomLimits, encoding: Encoding, file_bytes: int) -> None:
        self._limits = limits
        self._file_bytes = file_bytes
        self._order: Literal["little", "big"] = "little" if encoding.is_little_endian else "big"
        self.sop_class = ""
        self._numbers: dict[int, int] = {}

    def take(self, tag: int, _vr: bytes, value: memoryview) -> WalkLimits | None:
        """Note a value; what is not one slice may have more elements."""
        if tag == SOP_CLASS:
            self.sop_class = _read_uid(tag, value)
            if self.sop_class != CTImageStorage:
                walk = self._limits.walk
                by_size = min(self._file_bytes // BYTES_EACH, MOST_EACH)
                return replace(
                    walk,
                    elements=max(LARGER * walk.elements, by_size),
                    items=max(LARGER * walk.items, by_size),
                    fragments=LARGER * walk.fragments,
                )
        elif tag in (ROWS, COLUMNS, BITS):
            number = _take_short(tag, value)
            if len(number) > 1:  # else it breaks off
                self._numbers[tag] = int.from_bytes(number, self._order)
        elif tag == FRAMES:
            digits = _take_short(tag, value).strip(b" \0")
            self._numbers[tag] = int(digits) if digits.isdigit() else 0
        return None

    def check(self) -> None:
        """Hold a CT to its limits; other objects are not decoded."""
        if self.sop_class not in SLICE_CLASSES:
            return
        for tag, what, most in (
            (ROWS, "rows", self._limits.side),
            (COLUMNS, "columns", self._limits.side),
            (FRAMES, "frames", self._limits.frames),
            (BITS, "bits a pixel", self._limits.bits),
        ):
            found = self._numbers.get(tag, 0)
            if found > most:
                raise WalkLimitError(f"it declares {found} {what}, over {most}")
        least = self._limits.least_side
        for tag, what in ((ROWS, "rows"), (COLUMNS, "columns")):
            # What says nothing of them is refused by whoever reads it, in its own words.
            if self._numbers.get(tag, least) < least:
                raise WalkLimitError(f"it declares {self._numbers[tag]} {what}, under {least}")
