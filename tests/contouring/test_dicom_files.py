"""Files read with bounds."""

from __future__ import annotations

import random
import tracemalloc
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from contouring.dicom_files import MOST_HEADER_BYTES, declared_bytes, find_files, read_header
from contouring.dicom_series import find_series
from contouring.errors import MixedPatientsError, NoCTSeriesError, SeriesRefusedError
from contouring.slice_pixels import read_hu
from contouring.volume import build_volume
from tests.contouring.ct_files import edit, write_tiny_series
from tests.contouring.encodings import encode
from tests.contouring.multiframe_files import write_enhanced


def repack(file: Path, append: bytes = b"", keep: float = 1.0) -> None:
    """Deflate a deflated file's content anew with more behind it, or keep a part of the stream."""
    content = file.read_bytes()
    start = 144 + read_file_meta_info(file).FileMetaInformationGroupLength
    inflated = zlib.decompress(content[start:], -zlib.MAX_WBITS) + append
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(inflated) + packer.flush()
    file.write_bytes(content[:start] + packed[: int(len(packed) * keep)])


@pytest.fixture
def deflated(tmp_path: Path) -> list[Path]:
    """A small series, deflated."""
    files = write_tiny_series(tmp_path)
    for file in files:
        encode(file, DeflatedExplicitVRLittleEndian)
    return files


def test_a_deflated_series_is_read_as_if_it_were_not(deflated: list[Path]) -> None:
    """Header and pixels lie in one stream."""
    (series,) = find_series(deflated).series

    assert len(series.instances) == 8
    assert build_volume(series, lambda _: None).hu.shape == (8, 18, 22)


def test_a_deflated_file_of_many_frames_is_read_too(tmp_path: Path) -> None:
    """What its header declares bounds the inflation."""
    files = write_tiny_series(tmp_path / "plain")
    enhanced = write_enhanced(files, tmp_path / "enhanced.dcm")
    plain = pydicom.dcmread(enhanced).pixel_array.copy()
    encode(enhanced, DeflatedExplicitVRLittleEndian)

    (series,) = find_series([enhanced]).series

    hu = build_volume(series, lambda _: None).hu
    assert np.array_equal(hu, plain.astype(np.int32) - 1024)
    assert declared_bytes(read_header(enhanced)) == 8 * 18 * 22 * 2


def test_a_deflated_bomb_takes_no_memory(deflated: list[Path]) -> None:
    """A quarter of a megabyte that would inflate to 256: refused after what its header declares."""
    repack(deflated[0], append=bytes(256 * 2**20))
    size = deflated[0].stat().st_size
    tracemalloc.start()

    with pytest.raises(SeriesRefusedError, match=r"of CT0001\.dcm inflate to more") as refusal:
        read_hu(deflated[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size < 2**19
    assert refusal.value.fault == "deflated-too-large"
    assert peak < 4 * MOST_HEADER_BYTES


def test_a_deflated_header_has_a_bound_of_its_own(
    deflated: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beyond it is not read, and half a header is none."""
    monkeypatch.setattr("contouring.dicom_files.MOST_HEADER_BYTES", 200)
    plain = write_tiny_series(deflated[0].parent / "plain")

    search = find_series([deflated[0], *plain])

    assert search.ignored == ("CT0001.dcm: a damaged DICOM file",)
    assert [len(series.instances) for series in search.series] == [8]


@pytest.mark.parametrize("keep", [0.7, 0.95])
def test_a_deflated_file_that_breaks_off_is_refused(deflated: list[Path], keep: float) -> None:
    """An upload that broke off."""
    repack(deflated[0], keep=keep)

    with pytest.raises(SeriesRefusedError, match=r"CT0001\.dcm"):
        read_hu(deflated[0])


def test_damage_to_a_deflated_file_is_told_as_such(deflated: list[Path]) -> None:
    """It must not look like a fault of the server."""
    chance = random.Random(1)
    content = deflated[2].read_bytes()
    start = 144 + read_file_meta_info(deflated[2]).FileMetaInformationGroupLength
    unexpected = []

    for _ in range(60):
        damaged = bytearray(content)
        damaged[chance.randrange(start, len(content))] = chance.randrange(256)
        deflated[2].write_bytes(damaged)
        try:
            for series in find_series(deflated).series:
                build_volume(series, lambda _: None)
        except (MixedPatientsError, SeriesRefusedError):
            continue
        except Exception as error:  # noqa: BLE001 - to show all of them
            unexpected.append(repr(error))

    assert unexpected == []


def test_a_file_that_says_more_than_it_declares_is_not_read_further(tmp_path: Path) -> None:
    """Pixels behind those of the header belong to nothing."""
    (file, *_) = write_tiny_series(tmp_path)
    edit(file, PixelData=bytes(18 * 22 * 2 + 2))

    with pytest.raises(SeriesRefusedError, match="794 bytes") as refusal:
        read_hu(file)

    assert refusal.value.fault == "excess-pixels"


def test_a_sequence_that_breaks_off_is_damage_and_a_failing_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender can mend the one; the other is the server's own fault and must not look else."""
    (file, *_) = write_tiny_series(tmp_path)
    faults = iter([OSError("No tag to read"), OSError(5, "Input/output error")])

    def fail(*_: object, **__: object) -> None:
        raise next(faults)

    monkeypatch.setattr("contouring.dicom_files.dcmread", fail)

    with pytest.raises(ValueError, match="breaks off"):
        read_header(file)
    with pytest.raises(OSError, match="Input/output"):
        read_header(file)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """Also where folders lie in it: nothing in them can be meant."""
    (tmp_path / "series").mkdir()

    with pytest.raises(NoCTSeriesError, match=f"the empty folder {tmp_path}"):
        find_files(tmp_path)


def test_a_place_of_a_servers_is_not_shown(tmp_path: Path) -> None:
    """The message goes to whoever asks for the job."""
    with pytest.raises(NoCTSeriesError, match="an empty folder") as refused:
        find_files(tmp_path, is_shown=False)
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize(
    "touch",
    [
        str,
        lambda dataset: dataset.walk(lambda _dataset, _element: None),
        lambda dataset: dataset.save_as(BytesIO(), implicit_vr=False, little_endian=True),
    ],
)
def test_damage_deep_in_sequences_is_told_once(touch: Callable[[Dataset], object]) -> None:
    """Told anew at each of ten levels it is some fifty megabytes long."""
    dataset = Dataset()
    rows = Tag("Rows")
    dataset[rows] = RawDataElement(rows, "US", 3, b"odd", 0, False, True)
    for _ in range(10):
        outer = Dataset()
        outer.ReferencedStudySequence = [dataset]
        dataset = outer

    with pytest.raises(BytesLengthException) as told:
        touch(dataset)

    assert len(str(told.value)) < 1000
