"""A CT slice's file in three parts: what stands before its pixels, the pixels, what follows them.

The pixels are kept bit for bit, still encoded, behind a header without the patient; the two other
parts say whose they are, and make the file that came in of them again.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_partial
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from contouring.dicom_files import telling_damage
from contouring.errors import NotStorableError
from contouring.provenance import IMPLEMENTATION_UID, MANUFACTURER
from workers.content_hash import ContentHash

PIXEL_DATA = 0x7FE00010
ITEM, SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class ObjectParts:
    """`header`: the dataset of `head`, without pixels; `head` and `tail`: bytes of the file.

    The pixels' element, tag and length included, lies between `start` and `end`.
    """

    header: FileDataset
    head: bytes
    start: int
    end: int
    tail: bytes


def split_object(path: Path) -> ObjectParts:
    """The parts of a file; raises `NotStorableError`, or one of `UNREADABLE` for damaged ones."""
    with telling_damage(), path.open("rb") as file:
        header = read_partial(file, lambda tag, _vr, _length: tag >= PIXEL_DATA)
        syntax = UID(str(header.file_meta.get("TransferSyntaxUID", "")))
        if syntax == DeflatedExplicitVRLittleEndian:
            raise NotStorableError(
                "it is deflated, and what tells of the patient cannot be taken off that: send it "
                "in another transfer syntax"
            )
        assert isinstance(header, FileDataset)
        start = file.tell()
        file.seek(0)
        head = file.read(start)
        end = _find_end(path, start, bool(header.original_encoding[1]))
        file.seek(end)
        return ObjectParts(header, head, start, end, file.read())


def write_kept(parts: ObjectParts, path: Path, target: Path) -> tuple[str, int]:
    """Write the header as it is by now, and the pixels of `path`; checksum and size, synced."""
    header = parts.header
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = header.file_meta.TransferSyntaxUID
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = MANUFACTURER.upper()
    header.file_meta = meta
    header.preamble = bytes(128)
    head = BytesIO()
    header.save_as(head, enforce_file_format=True)
    return _write(target, head.getvalue(), _read_pixels(path, parts), b"")


def write_original(head: bytes, kept: Path, tail: bytes, target: Path) -> str:
    """Write the file that came in, with the pixels of what is kept of it; its checksum."""
    return _write(target, head, _read_pixels(kept, split_object(kept)), tail)[0]


def _read_pixels(path: Path, parts: ObjectParts) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(parts.start)
        left = parts.end - parts.start
        while left > 0 and (piece := file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece


def _write(target: Path, head: bytes, pixels: Iterator[bytes], tail: bytes) -> tuple[str, int]:
    checksum = ContentHash()
    with target.open("xb") as file:
        for piece in chain([head], pixels, [tail]):
            file.write(piece)
            checksum.update(piece)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return checksum.hexdigest(), size


def _find_end(path: Path, start: int, is_little_endian: bool) -> int:
    """Where the element at `start` ends: behind its pixels, or at once where there are none."""
    order = "<" if is_little_endian else ">"
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(12)
        if len(head) < 8:
            return start
        group, element, length = struct.unpack_from(f"{order}HHL", head)
        if group << 16 | element != PIXEL_DATA:
            return start
        position = start + 8
        if head[4:6].isalpha():  # explicit VR, of which pixels have four bytes of length
            (length,) = struct.unpack_from(f"{order}L", head, 8)
            position = start + 12
        if length != UNDEFINED:
            return min(int(position + length), size)
        while position + 8 <= size:
            file.seek(position)
            group, element, length = struct.unpack(f"{order}HHL", file.read(8))
            position += 8
            if group << 16 | element == SEQUENCE_END:
                return position
            if group << 16 | element != ITEM or length == UNDEFINED:
                break
            position += length
    raise NotStorableError("its pixels break off")
