"""DICOM files found, and read with bounds: headers without pixels, and deflated files inflated no
further than what they declare.

A deflated file (PS3.5 A.5) is one stream from its meta group on. Ten kilobytes of it can inflate to
ten megabytes, so it is inflated step by step against a limit, never at once.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom.dataset
import pydicom.filewriter
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.hooks import hooks, raw_element_value, raw_element_vr
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pydicom.valuerep import VR

from contouring.errors import NoCTSeriesError
from contouring.input_policies import refusal
from contouring.opened_files import open_file, read_file

# What pydicom and its decoders raise over damaged files; it decodes many values only on access.
UNREADABLE = (
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    NotImplementedError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
    BytesLengthException,
    InvalidDicomError,
)
# An enhanced CT of 4,000 frames has about 20 MB of functional groups.
MOST_HEADER_BYTES = 32 * 2**20
PREAMBLE = bytes(128) + b"DICM"
PIXEL_DATA = b"\xe0\x7f\x10\x00"  # the tag (7FE0,0010), behind all that a header holds
SERIES_INSTANCE_UID = 0x0020000E  # ahead of it is all that tells objects and series apart
LAST_DESCRIBED = 0x30060009  # StructureSetTime: up to it what searches ask for, then contours
GROUP_LENGTH_BYTES = 12  # the element (0002,0000) itself, which its value does not count


@dataclass(frozen=True)
class _Inflated:
    """A deflated file as Explicit VR Little Endian: all of it, or cut at a limit, or broken off."""

    content: bytes
    is_whole: bool
    is_cut: bool


def find_files(folder: Path, *, is_shown: bool = True) -> list[Path]:
    """Every file below a folder, in order; raises `NoCTSeriesError` where there is none.

    `is_shown`: whether messages name the folder, which may be a place of a server's.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if not files:
        raise NoCTSeriesError(f"the empty folder {folder}" if is_shown else "an empty folder")
    return files


def name_below(folder: Path, files: Sequence[Path]) -> dict[Path, str]:
    """What to call files in messages: one name may occur in several folders of a study."""
    return {file: str(file.relative_to(folder)) for file in files}


def read_header(path: Path) -> Dataset:
    """The dataset without pixels.

    Raises `InvalidDicomError` for what is no DICOM file and one of `UNREADABLE` for damaged ones.
    """
    if _is_deflated(path):
        inflated = _inflate(path, MOST_HEADER_BYTES)
        if not inflated.is_whole and PIXEL_DATA not in inflated.content:
            raise EOFError("the header breaks off or is longer than any")
        return _parse(BytesIO(inflated.content), stop_before_pixels=True)
    return _parse(path, stop_before_pixels=True)


def read_identity(path: Path) -> Dataset:
    """The dataset up to its Series Instance UID, several times faster than all of a header.

    Raises as `read_header` does.
    """
    return _read_up_to(SERIES_INSTANCE_UID, path)


def read_description(path: Path) -> Dataset:
    """The dataset without pixels and without the contours of a structure set.

    Raises as `read_header` does.
    """
    return _read_up_to(LAST_DESCRIBED, path)


def read_with_pixels(path: Path, name: str) -> Dataset:
    """The whole dataset, its pixels still encoded; deflated files read as if they were not.

    `name`: what to call it in messages. Raises `SeriesRefusedError` for a deflated file that holds
    more than it declares, and one of `UNREADABLE` for damaged ones.
    """
    if not _is_deflated(path):
        return _parse(path)
    limit = MOST_HEADER_BYTES + declared_bytes(read_header(path))
    inflated = _inflate(path, limit)
    if inflated.is_cut:
        raise refusal(
            "deflated-too-large",
            f"The pixels of {name} inflate to more than the {limit} bytes that its header accounts "
            "for.",
        )
    if not inflated.is_whole:
        raise refusal("truncated-pixels", f"The pixels of {name} break off: send it again.")
    return _parse(BytesIO(inflated.content))


@contextmanager
def telling_damage() -> Iterator[None]:
    """A sequence that breaks off is one of `UNREADABLE`; pydicom raises what a disk would."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise  # the disk's fault, not the file's
        raise ValueError(f"a sequence breaks off: {error}") from error


def declared_bytes(dataset: Dataset) -> int:
    """Bytes of all frames as they are when nothing is compressed."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    return frames * int(dataset.Rows) * int(dataset.Columns) * (int(dataset.BitsAllocated) // 8)


def _find_vr(raw: RawDataElement, data: dict[str, Any], **others: Any) -> None:
    """Private elements of no said VR stay bytes; pydicom would ask its table of their creators.

    What to them is a sequence need not look like one, so that `contouring.element_walk` would pass
    over it.
    """
    if raw.tag.is_private and not raw.tag.is_private_creator and raw.VR in (None, VR.UN):
        data["VR"] = VR.UN
    else:
        raw_element_vr(raw, data, **others)


def _find_value(raw: RawDataElement, data: dict[str, Any], **others: Any) -> None:
    """A sequence of a known length is parsed on access, wherever in the program that is."""
    with telling_damage():
        raw_element_value(raw, data, **others)


def _name_no_tag(_tag: object) -> AbstractContextManager[None]:
    """pydicom puts the whole traceback into an error's message anew at every level of nesting.

    The message more than doubles each time: damage 17 sequences deep made 20 GB of 503 bytes.
    """
    return nullcontext()


hooks.register_callback("raw_element_vr", _find_vr)
hooks.register_callback("raw_element_value", _find_value)
for module in (pydicom.dataset, pydicom.filewriter):
    module.tag_in_exception = _name_no_tag  # type: ignore[attr-defined]


def _read_up_to(last_tag: int, path: Path) -> Dataset:
    if _is_deflated(path):
        return read_header(path)
    with telling_damage(), open_file(path) as file:
        return read_partial(file, lambda tag, _vr, _length: tag > last_tag)


def _parse(source: Path | BytesIO, stop_before_pixels: bool = False) -> Dataset:
    with telling_damage(), open_file(source) if isinstance(source, Path) else source as file:
        return dcmread(file, stop_before_pixels=stop_before_pixels)


def _is_deflated(path: Path) -> bool:
    return bool(_read_meta(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _read_meta(path: Path) -> FileMetaDataset:
    """As pydicom's own reading of it, of a file that is opened already."""
    with telling_damage(), open_file(path) as file:
        read_preamble(file, False)
        group = read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
    return FileMetaDataset(group)


def _inflate(path: Path, limit: int) -> _Inflated:
    meta = _read_meta(path)
    start = len(PREAMBLE) + GROUP_LENGTH_BYTES + int(meta.FileMetaInformationGroupLength)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    content = stream.decompress(read_file(path)[start:], limit + 1)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head = DicomBytesIO()
    write_file_meta_info(head, meta, enforce_standard=False)
    return _Inflated(PREAMBLE + head.getvalue() + content, stream.eof, len(content) > limit)
