"""Compressed frames, before a decoder sees them."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import UID, JPEGLossless, RLELossless

from contouring.codestreams import Codestream, is_whole, read_size
from contouring.transfer_syntaxes import COMPRESSED
from tests.contouring.encodings import LOSSLESS_SYNTAXES, LOSSY_SYNTAXES, codestream

PLANE = (np.arange(34 * 50).reshape(34, 50) % 4096).astype(np.uint16)
DECLARING = [uid for uid in (*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES) if uid != RLELossless]


@pytest.mark.parametrize("syntax", DECLARING, ids=lambda uid: uid.name)
def test_the_declared_size_is_found_without_decoding(syntax: UID) -> None:
    """A decoder allocates it, whatever the header said."""
    frame = codestream(PLANE, syntax)

    assert read_size(frame, COMPRESSED[syntax]) == (34, 50)


@pytest.mark.parametrize("syntax", DECLARING, ids=lambda uid: uid.name)
@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0\0\0"])
def test_a_whole_frame_ends_as_its_standard_says(syntax: UID, padding: bytes) -> None:
    """Padded to even length, or further by some writers; a cut one ends in the middle of data."""
    frame = codestream(PLANE, syntax) + padding

    assert is_whole(frame, COMPRESSED[syntax])
    assert not is_whole(frame[: len(frame) // 2], COMPRESSED[syntax])


def test_a_run_length_frame_declares_nothing() -> None:
    """Its decoder counts instead; only a header alone is known to be cut."""
    frame = codestream(PLANE, RLELossless)

    assert read_size(frame, Codestream.RLE) is None
    assert is_whole(frame, Codestream.RLE)
    assert not is_whole(frame[:64], Codestream.RLE)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8" + b"no marker here",
        b"\xff\xd8\xff\xda\x00\x08" + bytes(40),
        b"\xff\xd8\xff\xe0\x00\x08" + bytes(6),
    ],
    ids=["empty", "start alone", "no marker", "scan before frame", "end before frame"],
)
def test_a_jpeg_without_a_size_is_no_jpeg(frame: bytes) -> None:
    """Nothing of it is handed on."""
    with pytest.raises(ValueError, match="no size"):
        read_size(frame, Codestream.JPEG)


@pytest.mark.parametrize("frame", [b"", b"\xff\x4f\xff\x51" + bytes(4), bytes(80)])
def test_a_jpeg_2000_without_a_size_is_none(frame: bytes) -> None:
    """The same."""
    with pytest.raises(ValueError, match="no size"):
        read_size(frame, Codestream.JPEG_2000)


def test_tables_before_the_frame_are_passed_over() -> None:
    """Their markers lie among those of frames."""
    frame = codestream(PLANE, JPEGLossless)
    start = frame.index(b"\xff\xc3")
    tables = b"\xff\xc4\x00\x04ab" + b"\xff\xcc\x00\x03c"

    assert read_size(frame[:start] + tables + frame[start:], Codestream.JPEG) == (34, 50)
