"""Files made to do harm, each by name; none holds anything that runs."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Mapping
from functools import cache

from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    RTStructureSetStorage,
)

from tests.hostile.crafted_dicom import (
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    REQUEST_ATTRIBUTES,
    SEQUENCE_END,
    UIDS,
    UNDEFINED,
    deflate,
    find_dataset,
    nest,
    nest_deeply,
    write_ct,
    write_element,
    write_private,
    write_sequence,
)
from tests.hostile.disguises import build_disguises

MEBIBYTE = 2**20
PREAMBLES = {
    "mz": b"MZ\x90\0" + b"This program cannot be run",
    "elf": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0",
    "mach-o": b"\xcf\xfa\xed\xfe\x07\0\0\x01",
    "script": b"#!/bin/sh\nexit 0\n",
    "tiff": b"II*\0\x98\x01\0\0",
    "html": b"<html><script>",
    "zip": b"PK\x03\x04",
}
HOSTILE_NAMES = {
    "path": "../../../../tmp/escape",
    "absolute": "/tmp/escape",
    "windows-path": "..\\..\\escape",
    "letters": "1.2.abc",
    "too-long": "1." + "2" * 63,
    "leading-dot": ".1.2",
    "crlf": "1.2\r\nX-Injected: yes",
    "nul-inside": "1.2\0.3",
    "unicode": "1.2.३",
    "markup": "<script>1</script>",
    "sql": "1' OR '1'='1",
    "empty": "",
}


@cache
def build_attacks() -> dict[str, bytes]:
    """All of them; what they are for is in their names."""
    return {
        **_build_bombs(),
        **_build_sizes(),
        **_build_pixels(),
        **_build_names(),
        **_build_lengths(),
        **_build_others(),
    }


def build_small_attacks() -> dict[str, bytes]:
    """Those that are small, in little time."""
    return {**_build_sizes(), **_build_pixels(), **_build_names(), **_build_lengths()}


@cache
def find_bombs() -> frozenset[str]:
    """Names of those that must be refused, quickly and in little memory."""
    return frozenset({*_build_bombs(), *_build_sizes()} - {"rows-0", "bits-0"})


def _build_bombs() -> dict[str, bytes]:
    undefined = write_element(REQUEST_ATTRIBUTES, "SQ", b"", UNDEFINED)
    return {
        "nested-33": write_ct(nest(33)),
        "nested-33-with-lengths": write_ct(nest(33, is_defined=True)),
        "nested-65": write_ct(nest(65)),
        "nested-300": write_ct(nest(300)),
        "nested-100000": write_ct(nest_deeply(100_000)),
        "elements-20000": write_ct(write_private(20_000)),
        "elements-500000": write_ct(write_private(500_000)),
        "elements-of-an-enhanced-ct": write_ct(
            write_private(500_000), sop_class=EnhancedCTImageStorage
        ),
        "items-20001": write_ct(undefined + 20_001 * (ITEM + ITEM_END) + SEQUENCE_END),
        "items-1000000": write_ct(undefined + 1_000_000 * (ITEM + ITEM_END) + SEQUENCE_END),
        "items-without-end": write_ct(undefined + 300_000 * ITEM),
        "value-of-16-mebibytes": write_ct(
            write_element(0x00990010, "OB", bytes(16 * MEBIBYTE + 2))
        ),
        "value-of-4-gibibytes-claimed": write_ct(write_element(0x00990010, "OB", b"", 0xFFFFFFFE)),
        "deflated-300-mebibytes": deflate(
            find_dataset(write_ct(pixels=bytes(300 * MEBIBYTE))), level=9
        ),
        "deflated-nesting": deflate(find_dataset(write_ct(nest_deeply(100_000)))),
        "fragments-20001": _write_fragments(20_001),
        "fragments-1000000": _write_fragments(1_000_000),
        "fragments-of-an-enhanced-ct": _write_fragments(1_000_000, EnhancedCTImageStorage),
        **build_disguises(),
        "deflated-elements": deflate(find_dataset(write_ct(write_private(500_000)))),
    }


def _write_fragments(count: int, sop_class: str = CTImageStorage) -> bytes:
    """Empty ones."""
    pixels = write_element(PIXEL_DATA, "OB", b"", UNDEFINED)
    pixels += count * struct.pack("<HHL", 0xFFFE, 0xE000, 0) + SEQUENCE_END
    return write_ct(syntax=RLELossless, pixels=pixels, sop_class=sop_class)


def _build_sizes() -> dict[str, bytes]:
    return {
        "rows-65535": write_ct(sizes=(65535, 4, 16)),
        "columns-65535": write_ct(sizes=(4, 65535, 16)),
        "rows-and-columns-65535-rle": write_ct(
            sizes=(65535, 65535, 16), syntax=RLELossless, pixels=_encapsulate(bytes(64))
        ),
        "frames-2147483647": write_ct(frames=b"2147483647", sop_class=EnhancedCTImageStorage),
        "frames-999999999999": write_ct(frames=b"999999999999"),
        "bits-64": write_ct(sizes=(4, 4, 64)),
        "rows-0": write_ct(sizes=(0, 4, 16)),
        "bits-0": write_ct(sizes=(4, 4, 0)),
    }


def _build_pixels() -> dict[str, bytes]:
    jpeg = b"\xff\xd8\xff\xc3\0\x0b\x10\xff\xff\xff\xff\x01\x01\x11\0"
    j2k = b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">8L", 2**31, 2**31, 0, 0, 1, 1, 0, 0)
    end = b"\xff\xd9"
    return {
        "pixels-short": write_ct(pixels=b"\1\2"),
        "pixels-none": write_ct(pixels=b""),
        "pixels-without-end": write_ct(pixels=write_element(PIXEL_DATA, "OW", b"", UNDEFINED)),
        "frames-negative": write_ct(frames=b"-1"),
        "frames-words": write_ct(frames=b"many"),
        "jpeg-of-another-size": write_ct(
            syntax=JPEGLosslessSV1, pixels=_encapsulate(jpeg + bytes(40) + end)
        ),
        "jpeg-ls-of-another-size": write_ct(
            syntax=JPEGLSLossless, pixels=_encapsulate(jpeg.replace(b"\xc3", b"\xf7") + end)
        ),
        "j2k-of-another-size": write_ct(
            syntax=JPEG2000Lossless, pixels=_encapsulate(j2k + bytes(40) + end)
        ),
        "rle-of-wrong-segments": write_ct(
            syntax=RLELossless, pixels=_encapsulate(struct.pack("<16L", 15, *range(15)) + b"\x80")
        ),
        "fragments-beyond-the-file": write_ct(
            syntax=JPEG2000Lossless,
            pixels=write_element(PIXEL_DATA, "OB", b"", UNDEFINED)
            + struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFF0),
        ),
        "offsets-beyond-the-pixels": write_ct(
            syntax=RLELossless,
            pixels=write_element(PIXEL_DATA, "OB", b"", UNDEFINED)
            + struct.pack("<HHLL", 0xFFFE, 0xE000, 4, 0xFFFFFFF0)
            + struct.pack("<HHL", 0xFFFE, 0xE000, 64)
            + bytes(64)
            + SEQUENCE_END,
        ),
    }


def _build_names() -> dict[str, bytes]:
    instance, study, series = UIDS
    named = {}
    for what, name in HOSTILE_NAMES.items():
        named[f"instance-uid-{what}"] = write_ct(uids=(name, study, series))
        named[f"study-uid-{what}"] = write_ct(uids=(instance, name, series))
        named[f"series-uid-{what}"] = write_ct(uids=(instance, study, name))
    for what, preamble in PREAMBLES.items():
        named[f"preamble-{what}"] = write_ct(preamble=preamble, patient=what.encode())
    for what, words in {
        "markup": b"<script>alert(1)</script>",
        "crlf": b"A\r\nSet-Cookie: a=b",
        "escapes": b"\x1b]0;title\x07\x1b[2J",
        "template": b"${jndi:ldap://127.0.0.1/a}{{7*7}}",
        "formula": b"=cmd|' /C calc'!A0",
        "nul": b"A\0B",
        "long": b"A" * 60_000,
        "not-text": bytes(range(128, 256)),
    }.items():
        named[f"patient-{what}"] = write_ct(patient=words)
    return named


def _build_lengths() -> dict[str, bytes]:
    whole = write_ct(nest(3))
    meta = bytearray(whole)
    struct.pack_into("<L", meta, 140, 0xFFFFFFF0)
    short = bytearray(whole)
    struct.pack_into("<L", short, 140, 1)
    return {
        "meta-length-of-4-gibibytes": bytes(meta),
        "meta-length-of-1": bytes(short),
        "meta-alone": whole[: len(whole) - len(find_dataset(whole))],
        "magic-alone": bytes(128) + b"DICM",
        "odd-length": write_ct(write_element(0x00081030, "LO", b"odd", 3)),
        "length-beyond-the-file": write_ct(write_element(0x00081030, "LO", b"", 0xFFFE)),
        "sequence-longer-than-the-file": write_ct(
            write_element(REQUEST_ATTRIBUTES, "SQ", ITEM, 0xFFFFFFF0)
        ),
        "item-longer-than-its-sequence": write_ct(
            write_element(
                REQUEST_ATTRIBUTES, "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFF) + b"ab", 10
            )
        ),
        "ends-of-nothing": write_ct(1000 * SEQUENCE_END + 1000 * ITEM_END),
        "items-of-nothing": write_ct(1000 * ITEM),
        "unknown-vr": write_ct(write_element(0x00990010, "ZZ", b"abcd")),
        "vr-of-control-characters": write_ct(b"\x99\0\x10\0\1\2\4\0abcd"),
        "numbers-as-text": write_ct(write_element(0x00280010, "LO", b"four")),
        "infinite-spacing": write_ct(write_element(0x00280030, "DS", b"inf\\1e309")),
        "syntax-unknown": write_ct(syntax="1.2.3.4.5"),
        "syntax-path": write_ct(syntax="../../etc/passwd"),
        "syntax-none": write_ct(syntax=""),
        "syntax-of-the-other-endian": write_ct(syntax=ExplicitVRBigEndian),
        "private-creator-missing": write_ct(write_sequence(write_private(3), tag=0x00991001)),
        "character-set-unknown": write_ct(write_element(0x00080005, "CS", b"ISO_IR 9999")),
        "character-sets-many": write_ct(
            write_element(0x00080005, "CS", b"\\".join([b"ISO 2022 IR 149"] * 500))
        ),
    }


def _build_others() -> dict[str, bytes]:
    return {
        "directory-of-nothing": write_ct(
            write_sequence(write_element(0x00041500, "CS", b"..\\..\\ETC\\PASSWD"), tag=0x00041220),
            sop_class=MediaStorageDirectoryStorage,
        ),
        "structure-set-with-an-image": write_ct(sop_class=RTStructureSetStorage),
        "zip-42": _zip({f"{n}.zip": _zip({"zeros": bytes(MEBIBYTE)}) for n in range(16)}),
        "zip-of-zeros": _zip({"zeros": bytes(300 * MEBIBYTE)}),
        "zip-of-20001": _zip({str(number): b"" for number in range(20_001)}),
        "zip-up": _zip({"../../escape.dcm": b"x"}),
        "zip-absolute": _zip({"/tmp/escape.dcm": b"x"}),
        "zip-windows": _zip({"C:\\escape.dcm": b"x", "..\\escape.dcm": b"x"}),
        "zip-link": _zip({"link": b"/etc/passwd"}, mode=stat.S_IFLNK),
        "zip-device": _zip({"device": b""}, mode=stat.S_IFCHR),
        "zip-of-a-bomb": _zip({"bomb.dcm": write_ct(nest_deeply(100_000))}),
        "zip-end-alone": b"PK\5\6" + bytes(18),
        "zip-directory-of-4-gibibytes": b"PK\5\6"
        + struct.pack("<4H2LH", 0, 0, 65535, 65535, 0xFFFFFFFF, 0xFFFFFFFF, 0),
        "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "pickle": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        "empty": b"",
        "one-byte": b"\0",
    }


def _encapsulate(frame: bytes) -> bytes:
    frame += b"\0" * (len(frame) % 2)
    return (
        write_element(PIXEL_DATA, "OB", b"", UNDEFINED)
        + struct.pack("<HHL", 0xFFFE, 0xE000, 0)
        + struct.pack("<HHL", 0xFFFE, 0xE000, len(frame))
        + frame
        + SEQUENCE_END
    )


def _zip(entries: Mapping[str, bytes], mode: int = stat.S_IFREG) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (mode | 0o600) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return buffer.getvalue()
