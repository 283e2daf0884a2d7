"""Files of an upload, written to the staging folder under names of Oarlock's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contouring.dicom_files import PREAMBLE
from workers.content_hash import MAGIC, ContentHash
from workers.encryption.vault import create_file
from workers.instances import build_shown_words


@dataclass(frozen=True)
class StagedFile:
    """A file on disk; `name` is what the sender called it and is never a path.

    `sha256`: of its content (hex), see `ContentHash`.
    """

    path: Path
    name: str
    sha256: str


class StagedFileWriter:
    """Writes one file piece by piece and hashes it on the way.

    A DICOM file's preamble (PS3.10 7.1) may hold anything, such as a program's beginning: here it
    becomes zeros, for it is no part of the object.
    """

    def __init__(self, folder: Path, number: int, sent_name: str) -> None:
        self._path = folder / f"file-{number:06d}"
        self._name = build_shown_words(sent_name) or self._path.name
        self._hash = ContentHash()
        self._file = create_file(self._path)
        self._head: bytearray | None = bytearray()  # until it shows whether it has a preamble
        self.is_named = bool(sent_name)
        self.size = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Append to the file."""
        if self._head is not None:
            self._head += piece
            if len(self._head) < len(PREAMBLE):
                return
            piece = bytes(self._end_head(self._head))
        self._append(piece)

    def close(self) -> StagedFile:
        """The finished file."""
        if self._head is not None:
            self._append(bytes(self._head))
        self._file.close()
        return StagedFile(self._path, self._name, self._hash.hexdigest())

    def _end_head(self, head: bytearray) -> bytearray:
        self._head = None
        if head[PREAMBLE.index(MAGIC) : len(PREAMBLE)] == MAGIC:
            head[: len(PREAMBLE)] = PREAMBLE
        return head

    def _append(self, piece: bytes | memoryview) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)
