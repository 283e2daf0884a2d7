"""Zips of DICOM files, unpacked to the staging folder within limits."""

from __future__ import annotations

import errno
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from contouring.errors import BrokenZipError, UnsafeZipError, UploadTooLargeError
from contouring.opened_files import count_bytes, open_file
from service.staged_files import StagedFile, StagedFileWriter
from workers.instances import build_shown_words
from workers.settings import Settings

PIECE_BYTES = 1024 * 1024
MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
END_RECORD = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16
END_MAGIC = b"PK\x05\x06"
COMMENT_LIMIT = 65535
DIRECTORY_BYTES_PER_ENTRY = 512
"""Generous: 46 bytes and a name. The directory is read whole, so its size is bounded first."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
# What zipfile raises over damaged archives; ValueError: also for names that are no UTF-8.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    ValueError,
)


def is_zip(file: StagedFile) -> bool:
    """Whether a file is a zip, or is called one."""
    with open_file(file.path) as opened:
        return opened.read(4) in MAGIC or file.name.lower().endswith(".zip")


def unpack(archive: StagedFile, folder: Path, limits: Settings) -> tuple[StagedFile, ...]:
    """The files of a zip, staged in `folder`; the zip itself is removed."""
    _check_directory_size(archive, limits)
    with open_file(archive.path) as file:
        with _telling_damage(archive):
            opened = zipfile.ZipFile(file)
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
        _check_entries(archive, entries, limits)
        files = _unpack_entries(archive, opened, entries, folder, limits)
    archive.path.unlink()
    return files


def _unpack_entries(
    archive: StagedFile,
    opened: zipfile.ZipFile,
    entries: list[zipfile.ZipInfo],
    folder: Path,
    limits: Settings,
) -> tuple[StagedFile, ...]:
    files = []
    left = _find_byte_limit(archive, limits)
    for number, entry in enumerate(entries, start=1):
        # The archive itself is file 1 of the upload.
        writer = StagedFileWriter(folder, number + 1, f"{archive.name}/{entry.filename}")
        for piece in _read_entry(archive, opened, entry):
            left -= len(piece)
            if left < 0:
                raise _inflated_too_large(archive, limits)
            writer.write(piece)
        files.append(writer.close())
    return tuple(files)


def _read_entry(
    archive: StagedFile, opened: zipfile.ZipFile, entry: zipfile.ZipInfo
) -> Iterator[bytes]:
    with _telling_damage(archive), opened.open(entry) as source:
        while piece := source.read(PIECE_BYTES):
            yield piece


@contextmanager
def _telling_damage(archive: StagedFile) -> Iterator[None]:
    """Nothing is written in the block: what fails is the archive, or the disk that it is read from.

    zipfile seeks to wherever an archive says, also ahead of its beginning (EINVAL).
    """
    try:
        yield
    except DAMAGE as error:
        raise BrokenZipError(archive.name, str(error) or "it ends too early") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise BrokenZipError(archive.name, "it points to ahead of its beginning") from error


def _check_directory_size(archive: StagedFile, limits: Settings) -> None:
    size = count_bytes(archive.path)
    tail = min(size, END_RECORD.size + COMMENT_LIMIT)
    with open_file(archive.path) as opened:
        opened.seek(size - tail)
        end = opened.read(tail)
    start = end.rfind(END_MAGIC)
    if start < 0 or len(end) - start < END_RECORD.size:
        raise BrokenZipError(archive.name, "it has no directory of its entries")
    directory_bytes = END_RECORD.unpack_from(end, start)[5]
    if directory_bytes > limits.zip_entries * DIRECTORY_BYTES_PER_ENTRY:
        raise UploadTooLargeError(f"The directory of {archive.name}", f"{limits.zip_entries} files")


def _check_entries(archive: StagedFile, entries: list[zipfile.ZipInfo], limits: Settings) -> None:
    if len(entries) > limits.zip_entries:
        raise UploadTooLargeError(f"The content of {archive.name}", f"{limits.zip_entries} files")
    if sum(entry.file_size for entry in entries) > _find_byte_limit(archive, limits):
        raise _inflated_too_large(archive, limits)
    for entry in entries:
        shown = build_shown_words(entry.orig_filename)
        if _points_outside(entry) or not _is_plain_file(entry):
            raise UnsafeZipError(archive.name, shown)
        if entry.flag_bits & ENCRYPTED:
            raise BrokenZipError(archive.name, f"{shown} is encrypted")
        if entry.compress_type not in METHODS:
            raise BrokenZipError(archive.name, f"{shown} is neither stored nor deflated")


def _points_outside(entry: zipfile.ZipInfo) -> bool:
    # orig_filename: zipfile cuts filename at a NUL.
    path = PurePosixPath(entry.orig_filename.replace("\\", "/"))
    has_drive = path.parts[:1] != () and path.parts[0].endswith(":")
    return path.is_absolute() or has_drive or ".." in path.parts or "\0" in entry.orig_filename


def _is_plain_file(entry: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind in (0, stat.S_IFREG)  # 0: written where files have no such kind


def _find_byte_limit(archive: StagedFile, limits: Settings) -> int:
    by_ratio = int(count_bytes(archive.path) * limits.zip_ratio)
    return min(limits.zip_inflated_bytes, max(limits.zip_ratio_bytes, by_ratio))


def _inflated_too_large(archive: StagedFile, limits: Settings) -> UploadTooLargeError:
    limit = _find_byte_limit(archive, limits)
    return UploadTooLargeError(f"The unpacked content of {archive.name}", f"{limit} bytes")
