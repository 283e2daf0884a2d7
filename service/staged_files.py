"""Files of an upload, written to the staging folder under names of Oarlock's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

NAME_LIMIT = 120  # characters of a sender's words that messages show


@dataclass(frozen=True)
class StagedFile:
    """A file on disk; `name` is what the sender called it and is never a path."""

    path: Path
    name: str
    sha256: str


class StagedFileWriter:
    """Writes one file piece by piece and hashes it on the way."""

    def __init__(self, folder: Path, number: int, sent_name: str) -> None:
        self._path = folder / f"file-{number:06d}"
        self._name = build_display_name(sent_name) or self._path.name
        self._hash = hashlib.sha256()
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


def build_display_name(sent_name: str) -> str:
    """A sender's words as messages may show them: printable, and not too long."""
    return "".join(letter for letter in sent_name if letter.isprintable())[:NAME_LIMIT]
