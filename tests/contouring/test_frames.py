"""Plain frames, read without pydicom's decoders, hold what these would have read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contouring.frames import Frame

LITTLE_ENDIAN, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
ROWS, COLUMNS = 4, 6


def build_frame(content: bytes, stored: int, signed: int, **changes: int) -> Frame:
    """One of 4 x 6 pixels of 16 bits."""
    values = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 16,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": signed,
        **changes,
    }
    return Frame(content, LITTLE_ENDIAN, values, "OW", is_implicit=False, is_little_endian=True)


@given(st.binary(min_size=48, max_size=48), st.integers(1, 16), st.integers(0, 1))
def test_words_are_read_as_pydicom_reads_them(content: bytes, stored: int, signed: int) -> None:
    """Whatever stands above the stored bits: overlays did, in old files."""
    frame = build_frame(content, stored, signed)

    read = frame.decode()

    assert frame._is_plain
    expected = frame._decode_with_pydicom()
    assert read.dtype == expected.dtype
    assert np.array_equal(read, expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"HighBit": 15},
        {"BitsAllocated": 32},
        {"SamplesPerPixel": 3},
        {"BitsStored": 0},
        {"PixelRepresentation": 2},
        {"Rows": 2},  # and so bytes of another frame
    ],
    ids=str,
)
def test_what_is_not_plain_is_left_to_pydicom(changes: dict[str, int]) -> None:
    """It knows more forms, and more faults."""
    assert not build_frame(bytes(48), 12, 0, **changes)._is_plain


def test_a_frame_that_is_too_short_is_left_to_pydicom() -> None:
    """Which refuses it."""
    frame = build_frame(bytes(46), 12, 0)

    with pytest.raises(ValueError, match="46"):
        frame.decode()
