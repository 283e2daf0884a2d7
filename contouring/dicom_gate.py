"""What a DICOM file may cost, judged from its bytes before anything parses it or makes room for it.

Every file that a stranger sends passes here first. Nothing is allocated for what a file declares:
deflated data is inflated piece by piece and forgotten, and the rest is looked at where it lies.
"""

from __future__ import annotations

import mmap
import os
import zlib
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from contouring.dicom_files import MOST_HEADER_BYTES, PREAMBLE
from contouring.element_walk import ElementWalk, Encoding, WalkLimitError, WalkLimits
from contouring.errors import DicomLimitError
from contouring.multiframe import SLICE_CLASSES

MAGIC = PREAMBLE[128:]
META_GROUP = 0x0002
TRANSFER_SYNTAX = 0x00020010
SOP_CLASS = 0x00080016
FRAMES, ROWS, COLUMNS, BITS = 0x00280008, 0x00280010, 0x00280011, 0x00280100
PIECE_BYTES = 2**20
LARGER = 10  # other objects than one slice: functional groups of each frame, points of contours


@dataclass(frozen=True)
class DicomLimits:
    """`side`, `frames` and `bits`: of CTs; `inflated_bytes`: of deflated files, whose ratio counts
    from `inflate_ratio_bytes` on."""

    file_bytes: int = 2**30
    depth: int = 32
    elements: int = 20_000
    items: int = 20_000
    value_bytes: int = 16 * 2**20
    side: int = 2048
    frames: int = 2000
    bits: int = 16
    inflated_bytes: int = 256 * 2**20
    inflate_ratio: float = 20.0
    inflate_ratio_bytes: int = 16 * 2**20

    @property
    def walk(self) -> WalkLimits:
        """Those of any data set."""
        return WalkLimits(self.depth, self.elements, self.items, self.value_bytes)


def check_file(path: Path, limits: DicomLimits, name: str = "") -> None:
    """Raise `DicomLimitError` where a file is more than what may be read.

    `name`: what the sender calls it. What is no DICOM file is left to whoever reads it.
    """
    with path.open("rb") as file:
        if file.read(len(PREAMBLE))[128:] != MAGIC:
            return
        size = os.fstat(file.fileno()).st_size
        try:
            if size > limits.file_bytes:
                raise WalkLimitError(f"it is {size} bytes, over {limits.file_bytes}")
            with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as content:
                _check_part10(content, limits)
        except WalkLimitError as error:
            raise DicomLimitError(name or path.name, str(error)) from error


def check_dataset(content: bytes | mmap.mmap, start: int, syntax: str, limits: DicomLimits) -> None:
    """The same of a data set in bytes, which is not deflated; raises `WalkLimitError`."""
    encoding = Encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    looks = _Looks(limits, encoding)
    ElementWalk(content, start, encoding, limits.walk, looks.take).go()
    looks.check()


def _check_part10(content: mmap.mmap, limits: DicomLimits) -> None:
    syntax = ""

    def note(tag: int, value: memoryview) -> None:
        nonlocal syntax
        if tag == TRANSFER_SYNTAX:
            syntax = bytes(value).decode("latin-1").strip(" \0")

    walk = ElementWalk(content, len(PREAMBLE), Encoding(), limits.walk, note)
    start = walk.go(META_GROUP)
    if syntax == DeflatedExplicitVRLittleEndian:
        check_dataset(_inflate(content, start, limits), 0, syntax, limits)
    else:
        check_dataset(content, start, syntax, limits)


def _inflate(content: mmap.mmap, start: int, limits: DicomLimits) -> bytes:
    """What a header may be of; the rest is counted."""
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
                raise WalkLimitError(f"it inflates to more than {most} bytes")
            head += piece[: max(0, MOST_HEADER_BYTES - len(head))]
    except zlib.error:
        pass  # as far as it goes; whoever reads it says so
    return bytes(head)


class _Looks:
    """What the outermost elements say of the size of pixels."""

    def __init__(self, limits: DicomLimits, encoding: Encoding) -> None:
        self._limits = limits
        self._order: Literal["little", "big"] = "little" if encoding.is_little_endian else "big"
        self._sop_class = ""
        self._numbers: dict[int, int] = {}

    def take(self, tag: int, value: memoryview) -> WalkLimits | None:
        """Note a value; what is not one slice may have more elements."""
        if tag == SOP_CLASS:
            self._sop_class = bytes(value).decode("latin-1").strip(" \0")
            if self._sop_class != CTImageStorage:
                walk = self._limits.walk
                return replace(walk, elements=LARGER * walk.elements, items=LARGER * walk.items)
        elif tag in (ROWS, COLUMNS, BITS):
            self._numbers[tag] = int.from_bytes(value, self._order)
        elif tag == FRAMES:
            digits = bytes(value).strip(b" \0")
            self._numbers[tag] = int(digits) if digits.isdigit() else 0
        return None

    def check(self) -> None:
        """Hold a CT to its limits; other objects are not decoded."""
        if self._sop_class not in SLICE_CLASSES:
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
