"""DICOM files written byte by byte, as no library would write them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
LONG_VRS = ("OB", "OW", "SQ", "UN", "UT")
REQUEST_ATTRIBUTES = 0x00400275  # a sequence that any image may have
PIXEL_DATA = 0x7FE00010
FIRST_PRIVATE = 0x00990000


def write_element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Explicit VR, little endian; `length`: another one than the value's."""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    count = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return (
        head + (struct.pack("<2xL", count) if vr in LONG_VRS else struct.pack("<H", count)) + value
    )


def write_sequence(*items: bytes, tag: int = REQUEST_ATTRIBUTES) -> bytes:
    """Of items whose lengths nobody says."""
    inside = b"".join(ITEM + item + ITEM_END for item in items)
    return write_element(tag, "SQ", b"", UNDEFINED) + inside + SEQUENCE_END


def nest(depth: int, is_defined: bool = False) -> bytes:
    """Sequences in one another, so many; with their lengths said, or not."""
    inner = b""
    for _ in range(depth):
        if is_defined:
            item = struct.pack("<HHL", 0xFFFE, 0xE000, len(inner)) + inner
            inner = write_element(REQUEST_ATTRIBUTES, "SQ", item)
        else:
            inner = write_sequence(inner)
    return inner


def nest_deeply(depth: int) -> bytes:
    """The same without an end, for depths at which writing it inside out would take minutes."""
    return depth * (write_element(REQUEST_ATTRIBUTES, "SQ", b"", UNDEFINED) + ITEM)


def nest_big_endian(depth: int) -> bytes:
    """A data set of a class and sequences in one another, explicit VR, big endian."""
    sop_class = struct.pack(">HH2sH", 8, 0x16, b"UI", 26) + CTImageStorage.encode() + b"\0"
    sequence = struct.pack(">HH2s2xL", 0x0040, 0x0275, b"SQ", UNDEFINED)
    ends = struct.pack(">HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    item = struct.pack(">HHL", 0xFFFE, 0xE000, UNDEFINED)
    return sop_class + depth * (sequence + item) + depth * ends


def write_private(count: int) -> bytes:
    """So many small elements."""
    return b"".join(
        struct.pack("<HH2sH2s", 0x0099 + 2 * (number >> 16), number & 0xFFFF, b"SH", 2, b"x ")
        for number in range(count)
    )


def write_meta(syntax: str, sop_class: str, sop_instance: str, preamble: bytes) -> bytes:
    """Preamble and meta group (PS3.10 7.1)."""
    group = b"".join(
        (
            write_element(0x00020001, "OB", b"\0\1"),
            write_element(0x00020002, "UI", sop_class.encode()),
            write_element(0x00020003, "UI", sop_instance.encode()),
            write_element(0x00020010, "UI", syntax.encode()),
        )
    )
    length = write_element(0x00020000, "UL", struct.pack("<L", len(group)))
    return preamble.ljust(128, b"\0")[:128] + b"DICM" + length + group


UIDS = ("1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.826.0.1.3680043.8.498.3")


@dataclass(frozen=True)
class SliceWords:
    """What a slice says; `sizes`: rows, columns, bits; `uids`: of instance, study and series."""

    sizes: tuple[int, int, int] = (16, 16, 16)
    frames: bytes | None = None
    uids: Sequence[str] = UIDS
    sop_class: str = CTImageStorage
    patient: bytes = b"HOSTILE"
    preamble: bytes = b""
    syntax: str = ExplicitVRLittleEndian


def write_ct(behind: bytes = b"", pixels: bytes | None = None, **words: Any) -> bytes:
    """A CT slice; `behind`: elements ahead of its pixels; `words`: of `SliceWords`.

    `pixels`: their value, or an element of one's own.
    """
    said = SliceWords(**words)
    rows, columns, bits = (struct.pack("<H", size) for size in said.sizes)
    instance, study, series = said.uids
    content = bytes(2 * 16 * 16) if pixels is None else pixels
    dataset = b"".join(
        (
            write_element(0x00080016, "UI", said.sop_class.encode()),
            write_element(0x00080018, "UI", instance.encode()),
            write_element(0x00080060, "CS", b"CT"),
            write_element(0x00100010, "PN", said.patient),
            write_element(0x00100020, "LO", said.patient),
            write_element(0x0020000D, "UI", study.encode()),
            write_element(0x0020000E, "UI", series.encode()),
            write_element(0x00200032, "DS", b"0\\0\\0"),
            write_element(0x00200037, "DS", b"1\\0\\0\\0\\1\\0"),
            write_element(0x00200052, "UI", study.encode()),
            write_element(0x00280002, "US", struct.pack("<H", 1)),
            write_element(0x00280004, "CS", b"MONOCHROME2"),
            b"" if said.frames is None else write_element(0x00280008, "IS", said.frames),
            write_element(0x00280010, "US", rows),
            write_element(0x00280011, "US", columns),
            write_element(0x00280030, "DS", b"1\\1"),
            write_element(0x00280100, "US", bits),
            write_element(0x00280101, "US", bits),
            write_element(0x00280102, "US", struct.pack("<H", max(0, said.sizes[2] - 1))),
            write_element(0x00280103, "US", struct.pack("<H", 1)),
            write_element(0x00281052, "DS", b"0"),
            write_element(0x00281053, "DS", b"1"),
            behind,
            content if content[:2] == b"\xe0\x7f" else write_element(PIXEL_DATA, "OW", content),
        )
    )
    return write_meta(said.syntax, said.sop_class, instance, said.preamble) + dataset


def deflate(dataset: bytes, level: int = 9) -> bytes:
    """A deflated file of this data set (PS3.5 A.5)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(dataset) + packer.flush()
    return write_meta(DeflatedExplicitVRLittleEndian, CTImageStorage, UIDS[0], b"") + packed


def find_dataset(file: bytes) -> bytes:
    """Behind the meta group."""
    (length,) = struct.unpack_from("<L", file, 140)
    return file[144 + length :]
