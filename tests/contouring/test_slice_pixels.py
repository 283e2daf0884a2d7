"""Pixels of a slice in Hounsfield units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from contouring.dicom_series import read_series
from contouring.errors import SeriesRefusedError
from contouring.recipe import AIR_HU
from contouring.slice_pixels import read_hu
from contouring.volume import build_volume
from tests.contouring.ct_files import edit, write_raw, write_tiny_series
from tests.phantoms import write_small_series

ROWS, COLUMNS = 18, 22


def write_slice(
    folder: Path, stored: NDArray[np.integer], bits_stored: int = 16, **values: object
) -> Path:
    """One file with the stored values, signed or not as their dtype."""
    (file, *_) = write_tiny_series(folder)
    edit(
        file,
        PixelData=stored.astype(f"<{stored.dtype.kind}2").tobytes(),
        PixelRepresentation=int(stored.dtype.kind == "i"),
        BitsStored=bits_stored,
        HighBit=bits_stored - 1,
        **values,
    )
    return file


def ramp(start: int, dtype: type[np.integer] = np.uint16) -> NDArray[np.integer]:
    """Values that all differ, (rows, columns)."""
    return (start + np.arange(ROWS * COLUMNS)).astype(dtype).reshape(ROWS, COLUMNS)


@pytest.mark.parametrize(
    ("slope", "intercept"), [("1", "-1024"), ("0.5", "-200.25"), ("2.75", "-1000")]
)
def test_stored_values_become_hounsfield_units_by_the_slice_s_own_rescale(
    tmp_path: Path, slope: str, intercept: str
) -> None:
    """Fractions are rounded, not cut off, which would darken the image by half a unit."""
    stored = ramp(100)
    file = write_slice(tmp_path, stored, RescaleSlope=slope, RescaleIntercept=intercept)

    hu = read_hu(file)

    exact = stored * float(slope) + float(intercept)
    assert hu.dtype == np.int16
    assert np.abs(hu - exact).max() <= 0.5


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    """Some scanners choose it slice by slice."""
    files = write_tiny_series(tmp_path)
    for number, file in enumerate(files):
        edit(
            file,
            PixelData=np.full((ROWS, COLUMNS), 100, "<u2").tobytes(),
            RescaleIntercept=-100 * number,
        )

    ct = build_volume(read_series(tmp_path), lambda _: None)

    assert ct.hu[:, 5, 5].tolist() == [100 - 100 * number for number in range(8)]


@pytest.mark.parametrize(
    ("stored", "padding", "limit"),
    [
        (63536, 63536, None),
        (-2000, -2000, None),
        (-2000, 63536, None),  # written in the wrong sign
        (3000, 2990, 3010),
        (3000, 3010, 2990),  # a range may be written from its upper end
    ],
)
def test_padding_is_air(tmp_path: Path, stored: int, padding: int, limit: int | None) -> None:
    """As Hounsfield units it would be metal, or a number that no tissue has."""
    dtype = np.int16 if stored < 0 else np.uint16
    pixels = np.full((ROWS, COLUMNS), 50, dtype)
    pixels[3, 4] = stored
    vr = "SS" if padding < 0 else "US"
    file = write_slice(tmp_path, pixels, RescaleSlope=1, RescaleIntercept=0)
    dataset = pydicom.dcmread(file)
    dataset.add_new("PixelPaddingValue", vr, padding)
    if limit is not None:
        dataset.add_new("PixelPaddingRangeLimit", vr, limit)
    dataset.save_as(file)

    hu = read_hu(file)

    assert hu[3, 4] == AIR_HU
    assert np.count_nonzero(hu == 50) == ROWS * COLUMNS - 1


def test_what_is_below_air_is_air(tmp_path: Path) -> None:
    """Scanners fill the corners around their round field of view with -2000 or -3024."""
    stored = ramp(-3024, np.int16)
    file = write_slice(tmp_path, stored, RescaleSlope=1, RescaleIntercept=0)

    hu = read_hu(file)

    assert (hu == AIR_HU).all()


def test_values_beyond_16_bits_do_not_wrap_around(tmp_path: Path) -> None:
    """Metal that wraps would be air."""
    stored = ramp(60000)
    file = write_slice(tmp_path, stored, RescaleSlope=1, RescaleIntercept=0)

    hu = read_hu(file)

    assert (hu == 32767).all()


def test_signed_values_of_twelve_bits_keep_their_sign(tmp_path: Path) -> None:
    """And junk above the stored bits is no part of the value."""
    values = np.array([-1000, -1, 0, 5, 2047], np.int16).repeat(ROWS * COLUMNS // 5 + 1)
    values = values[: ROWS * COLUMNS].reshape(ROWS, COLUMNS)
    junk = (values & 0x0FFF).astype(np.uint16) | np.uint16(0x5000)
    file = write_slice(tmp_path, junk.view(np.int16), 12, RescaleSlope=1, RescaleIntercept=0)

    hu = read_hu(file)

    assert np.array_equal(hu, values)


def test_truncated_pixels_are_refused_by_name(tmp_path: Path) -> None:
    """An upload that broke off; half a slice must not be filled up with anything."""
    file = write_slice(tmp_path, ramp(1000))
    file.write_bytes(file.read_bytes()[:-100])

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm are 692 bytes") as refusal:
        read_hu(file)

    assert refusal.value.fault == "truncated-pixels"


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's own word on it
def test_compressed_files_that_break_off_are_refused_by_name(tmp_path: Path, syntax: str) -> None:
    """The end of the sequence of fragments is missing."""
    file = write_small_series(tmp_path)[0]
    dataset = pydicom.dcmread(file)
    dataset.compress(syntax)
    dataset.save_as(file)
    file.write_bytes(file.read_bytes()[:-60])

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm are missing, or break off"):
        read_hu(file)


def test_a_file_that_is_dicom_no_longer_is_refused_by_name(tmp_path: Path) -> None:
    """Something may befall it between its header's reading and its pixels'."""
    file = write_slice(tmp_path, ramp(1000))
    file.write_bytes(b"hello")

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm cannot be decoded"):
        read_hu(file)


def test_the_high_bit_follows_from_the_stored_bits(tmp_path: Path) -> None:
    """Some writers leave it out; it can only be the one below."""
    file = write_slice(tmp_path, ramp(1000), 12)
    plain = read_hu(file)
    edit(file, HighBit=None)

    assert np.array_equal(read_hu(file), plain)


def test_junk_above_unsigned_bits_is_no_part_of_the_value(tmp_path: Path) -> None:
    """Overlays used to be kept there."""
    junk = ramp(1000) | np.uint16(0xA000)
    file = write_slice(tmp_path, junk, 12, RescaleSlope=1, RescaleIntercept=-1024)

    assert np.array_equal(read_hu(file), ramp(1000).astype(int) - 1024)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("RescaleSlope", b"one "), ("RescaleIntercept", b"-1x4"), ("BitsStored", b"\x20\x00")],
)
def test_values_that_are_no_numbers_are_refused_by_name(
    tmp_path: Path, keyword: str, value: bytes
) -> None:
    """One bad header must not end as a fault of the server."""
    file = write_slice(tmp_path, ramp(1000))
    write_raw(file, keyword, value)

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm"):
        read_hu(file)


def test_a_file_without_pixels_is_refused_by_name(tmp_path: Path) -> None:
    """Archives may send headers alone."""
    file = write_slice(tmp_path, ramp(1000))
    edit(file, PixelData=None)

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm"):
        read_hu(file)


def test_several_frames_in_one_slice_are_refused(tmp_path: Path) -> None:
    """Only one plane has the slice's position."""
    file = write_slice(tmp_path, ramp(1000))
    edit(file, NumberOfFrames=2, PixelData=np.zeros((2, ROWS, COLUMNS), "<u2").tobytes())

    with pytest.raises(SeriesRefusedError, match="2 frames but only one position") as refusal:
        read_hu(file)

    assert refusal.value.fault == "not-one-plane"
