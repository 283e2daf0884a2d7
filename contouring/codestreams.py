"""Compressed frames, looked at before a decoder is: the size they declare, and their end.

Decoders allocate what a codestream declares, whatever the file's header says, and several fill up
what is missing of a truncated one without a word (CharLS and libjpeg do). Both are settled here.
"""

from __future__ import annotations

from enum import Enum, auto

END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS (ITU-T T.81, T.87), EOC of JPEG 2000 (T.800)
RLE_HEADER_BYTES = 64  # PS3.5 G.5
# SOF0 to SOF15 of ITU-T T.81 and SOF55 of T.87; DHT, JPG and DAC lie among their numbers.
JPEG_FRAME_MARKERS = ({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}) | {0xF7}
JPEG_SCAN = 0xDA
JPEG_2000_START = b"\xff\x4f\xff\x51"  # SOC and SIZ, T.800 A.5


class Codestream(Enum):
    """Kinds of compressed frame."""

    RLE = auto()
    JPEG = auto()  # JPEG-LS as well
    JPEG_2000 = auto()  # HTJ2K as well


def is_whole(frame: bytes, kind: Codestream) -> bool:
    """Whether the frame ends as its kind must end; RLE says no end, and its decoder counts."""
    if kind is Codestream.RLE:
        return len(frame) > RLE_HEADER_BYTES
    # A fragment has even length (PS3.5 A.4): one byte, and with some writers more, follow the end.
    return frame.rstrip(b"\0").endswith(END)


def read_size(frame: bytes, kind: Codestream) -> tuple[int, int] | None:
    """(rows, columns) that the codestream declares; None for RLE, which declares nothing.

    Raises `ValueError` where no size can be found.
    """
    if kind is Codestream.RLE:
        return None
    return _jpeg_size(frame) if kind is Codestream.JPEG else _jpeg_2000_size(frame)


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    position = 2  # after SOI
    while position + 9 <= len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker in JPEG_FRAME_MARKERS:
            return _number(frame, position + 5, 2), _number(frame, position + 7, 2)
        if marker == JPEG_SCAN:
            break
        position += 2 + _number(frame, position + 2, 2)
    raise ValueError("the codestream declares no size")


def _jpeg_2000_size(frame: bytes) -> tuple[int, int]:
    if not frame.startswith(JPEG_2000_START) or len(frame) < 24:
        raise ValueError("the codestream declares no size")
    right, bottom, left, top = (_number(frame, place, 4) for place in (8, 12, 16, 20))
    return bottom - top, right - left


def _number(frame: bytes, position: int, count: int) -> int:
    return int.from_bytes(frame[position : position + count], "big")
