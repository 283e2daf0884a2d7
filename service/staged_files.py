"""Files of an upload, written to the staging folder under names of Oarlock's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workers.content_hash import ContentHash
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
    """Writes one file piece by piece and hashes it on the way."""

    def __init__(self, folder: Path, number: int, sent_name: str) -> None:
        self._path = folder / f"file-{number:06d}"
        self._name = build_shown_words(sent_name) or self._path.name
        self._hash = ContentHash()
        self._file = self._path.open("xb")
        self.is_named = bool(sent_name)
        self.size = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Append to the file."""
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def close(self) -> StagedFile:
        """The finished file."""
        self._file.close()
        return StagedFile(self._path, self._name, self._hash.hexdigest())
