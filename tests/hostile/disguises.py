"""Bombs to pydicom, which a reader that is less exact about its ways finds harmless."""

from __future__ import annotations

import struct

from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
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
    nest_big_endian,
    nest_deeply,
    write_ct,
    write_element,
    write_meta,
)


def build_disguises() -> dict[str, bytes]:
    """Each by what hides it."""
    return {**_build_beginnings(), **_build_broken_values()}


def _build_beginnings() -> dict[str, bytes]:
    """By what stands ahead of the data set, or says how it is encoded."""
    bomb = write_ct(nest(33))
    dataset = find_dataset(bomb)
    meta = bomb[: -len(dataset)]
    command = struct.pack("<HHL2s", 0, 0x0900, 2, b"\0\0")
    syntax = write_element(0x00020010, "UI", ExplicitVRLittleEndian.encode())
    big, elsewhere = nest_big_endian(33), deflate(find_dataset(write_ct()))
    return {
        "command-before-the-data-set": meta + command + dataset,
        "syntax-absent-big-endian": meta.replace(syntax, b"") + big,
        "syntax-nul-deflated": write_ct(nest(33), syntax="\0" + DeflatedExplicitVRLittleEndian),
        "syntax-padded-big-endian": write_meta(
            ExplicitVRBigEndian + "\0" * 60, CTImageStorage, UIDS[0], b""
        )
        + big,
        "syntax-as-bytes": (
            meta.replace(syntax, write_element(0x00020010, "OB", ExplicitVRBigEndian.encode()))
            + dataset
        ),
        "class-padded": write_ct(sizes=(65535, 4, 16), sop_class=CTImageStorage + "\0" * 60),
        "meta-of-an-unknown-vr": meta.replace(b"\2\0\1\0OB\0\0", b"\2\0\1\0QQ\0\0") + dataset,
        "meta-with-a-sequence": meta
        + write_element(0x00020100, "SQ", b"", UNDEFINED)
        + ITEM
        + write_element(0x00080005, "CS", b"")
        + ITEM_END
        + SEQUENCE_END
        + dataset,
        "end-of-an-item-first": meta + ITEM_END + dataset,
        "deflated-second-meta": deflate(syntax + dataset),
        "deflated-elsewhere": elsewhere[:140] + struct.pack("<L", 20) + elsewhere[144:],
    }


def _build_broken_values() -> dict[str, bytes]:
    """By values that do not end where they should, or are sequences and do not look it."""
    bomb, item = nest(33), struct.pack("<HH", 0xFFFE, 0xE000)
    broken = write_element(PIXEL_DATA, "OB", b"", UNDEFINED) + item + struct.pack("<L", 2) + b"ab"
    hider = write_element(0x00990012, "OB", b"", 1000 + len(bomb))  # to who looks for an end only
    hidden = SEQUENCE_END + hider
    text = write_element(0x00990010, "UT", b"", UNDEFINED)
    explicit = item + struct.pack("<L", len(bomb)) + bomb
    disguised = b"junk" + struct.pack("<L", len(bomb)) + bomb
    long = write_element(REQUEST_ATTRIBUTES, "SQ", explicit)
    return {
        "fragments-then-no-fragment": write_ct(pixels=broken + b"junkjunk" + SEQUENCE_END + bomb),
        "end-within-a-fragment": write_ct(
            text + item + struct.pack("<L", len(hidden)) + hidden + SEQUENCE_END + bomb
        ),
        "value-without-end-in-an-item": write_ct(
            write_element(REQUEST_ATTRIBUTES, "SQ", b"", UNDEFINED) + ITEM + text + nest_deeply(33)
        ),
        "explicit-in-unknown": write_ct(write_element(0x00990010, "UN", explicit)),
        "sequence-said-to-be-unknown": write_ct(write_element(REQUEST_ATTRIBUTES, "UN", disguised)),
        "element-longer-than-its-item": write_ct(
            write_element(REQUEST_ATTRIBUTES, "SQ", b"", UNDEFINED)
            + item
            + struct.pack("<L", 8)
            + long
            + SEQUENCE_END
        ),
    }
