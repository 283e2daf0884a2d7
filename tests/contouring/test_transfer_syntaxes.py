"""Every way of encoding pixels: read exactly, taken with a warning, or refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID, JPEGLossless, RLELossless

from contouring.dicom_series import find_series
from contouring.errors import SeriesRefusedError
from contouring.slice_pixels import read_hu
from contouring.volume import build_volume
from tests.contouring.ct_files import edit, names_of, the_refusal, write_tiny_series
from tests.contouring.encodings import (
    LOSSLESS_SYNTAXES,
    LOSSY_SYNTAXES,
    NATIVE_SYNTAXES,
    REFUSED_SYNTAXES,
    codestream,
    encode,
    write_codestreams,
)


@pytest.mark.parametrize("syntax", [*NATIVE_SYNTAXES, *LOSSLESS_SYNTAXES], ids=lambda uid: uid.name)
@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
def test_lossless_files_are_the_same_pixels(tmp_path: Path, syntax: UID, is_signed: bool) -> None:
    """Archives change the encoding without asking."""
    (file, *_) = files = write_tiny_series(tmp_path)
    if is_signed:
        signed = (pydicom.dcmread(file).pixel_array.astype(np.int32) - 1024).astype("<i2")
        edit(file, PixelData=signed.tobytes(), PixelRepresentation=1, RescaleIntercept=0)
    plain = read_hu(file)
    encode(file, syntax)

    (series,) = find_series(files).series

    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == syntax
    assert series.warnings == ()
    assert np.array_equal(read_hu(file), plain)


@pytest.mark.parametrize("option", ["+el", "+e1"], ids=["process 14", "selection value 1"])
def test_jpeg_lossless_of_another_maker_is_the_same(tmp_path: Path, option: str) -> None:
    """DCMTK writes 16 bit predictors in its own way, as many archives do."""
    (file, *_) = write_tiny_series(tmp_path)
    compressed = tmp_path / "dcmtk.dcm"
    subprocess.run(["dcmcjpeg", option, str(file), str(compressed)], check=True)

    assert np.array_equal(read_hu(compressed), read_hu(file))


@pytest.mark.parametrize("syntax", LOSSY_SYNTAXES, ids=lambda uid: uid.name)
def test_what_may_have_lost_values_is_taken_with_a_warning(tmp_path: Path, syntax: UID) -> None:
    """A few Hounsfield units rarely move a border; the reader of the contours must know."""
    files = write_tiny_series(tmp_path)
    plain = read_hu(files[0])
    for file in files:
        encode(file, syntax)

    (series,) = find_series(files).series

    assert names_of(series.warnings) == ["lossy-compression"]
    assert "8 slices" in series.warnings[0].text
    assert np.abs(build_volume(series, lambda _: None).hu[0] - plain).max() <= 1


def test_a_file_that_was_lossy_before_says_so(tmp_path: Path) -> None:
    """Decompressing does not bring back what was lost."""
    files = write_tiny_series(tmp_path)
    edit(files[2], LossyImageCompression="01")

    (series,) = find_series(files).series

    assert names_of(series.warnings) == ["lossy-compression"]
    assert "CT0003.dcm" in series.warnings[0].text


@pytest.mark.parametrize("syntax", REFUSED_SYNTAXES, ids=lambda uid: uid.name or "none")
def test_what_keeps_no_ct_numbers_is_refused(tmp_path: Path, syntax: UID) -> None:
    """A photograph's compression, video, or nothing that is known."""
    files = write_tiny_series(tmp_path)
    write_codestreams(files[3], syntax or UID("1.2.3"), [b"\xff\xd8\xff\xd9"])

    fault, reason = the_refusal(files)

    assert fault == "transfer-syntax"
    assert "CT0004.dcm" in reason


@pytest.mark.parametrize("syntax", [*LOSSLESS_SYNTAXES, *LOSSY_SYNTAXES], ids=lambda uid: uid.name)
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_codestream_that_breaks_off_is_refused(tmp_path: Path, syntax: UID, kept: float) -> None:
    """Two of the decoders fill up the rest without a word: half a patient, made up."""
    (file, *_) = write_tiny_series(tmp_path)
    whole = codestream(pydicom.dcmread(file).pixel_array, syntax)
    write_codestreams(file, syntax, [whole[: int(len(whole) * kept)]])

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm") as refusal:
        read_hu(file)

    assert refusal.value.fault == (
        "unreadable-pixels" if syntax == RLELossless else "truncated-pixels"
    )


@pytest.mark.parametrize("syntax", LOSSLESS_SYNTAXES[1:], ids=lambda uid: uid.name)
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(
    tmp_path: Path, syntax: UID
) -> None:
    """A hundred bytes could make a decoder allocate gigabytes."""
    (file, *_) = write_tiny_series(tmp_path)
    write_codestreams(file, syntax, [codestream(np.zeros((18, 44), np.uint16), syntax)])

    with pytest.raises(SeriesRefusedError, match=r"\(18, 44\)") as refusal:
        read_hu(file)

    assert refusal.value.fault == "codestream-size"


def test_a_codestream_far_longer_than_its_pixels_is_refused(tmp_path: Path) -> None:
    """Run lengths can expand sixty-four times."""
    (file, *_) = write_tiny_series(tmp_path)
    frame = codestream(pydicom.dcmread(file).pixel_array, RLELossless)
    write_codestreams(file, RLELossless, [frame + b"\xff\0" * 8000])

    with pytest.raises(SeriesRefusedError, match="16") as refusal:
        read_hu(file)

    assert refusal.value.fault == "codestream-size"


def test_a_codestream_that_is_none_is_refused(tmp_path: Path) -> None:
    """With the end of one, and nothing before it."""
    (file, *_) = write_tiny_series(tmp_path)
    write_codestreams(file, JPEGLossless, [b"nothing\xff\xd9"])

    with pytest.raises(SeriesRefusedError, match="no size") as refusal:
        read_hu(file)

    assert refusal.value.fault == "unreadable-pixels"
