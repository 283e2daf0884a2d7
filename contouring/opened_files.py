"""Files opened for reading: as they lie on the disk, or as whoever keeps their folder reads them.

What is read here never learns how a file is kept: a keeper that encrypts its files says once how
they are opened, for the whole process, and they read as if they were not.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path

Opener = Callable[[Path], BufferedReader]

WHOLE_BYTES = 16 * 2**20  # up to here a file that cannot be mapped is read at once: it is faster
FIND_BYTES = 2**20

_openers: dict[Path, Opener] = {}


def use_opener(folder: Path, opener: Opener) -> None:
    """Have everything below a folder opened so, in this process."""
    _openers[folder.absolute()] = opener


def drop_opener(folder: Path, opener: Opener) -> None:
    """As they lie on the disk again, unless another opener has taken its place."""
    if _openers.get(folder.absolute()) == opener:
        del _openers[folder.absolute()]


def open_file(path: Path) -> BufferedReader:
    """The file's content, from its beginning; it can be sought in."""
    if _openers:
        whole = path.absolute()
        for folder, opener in _openers.items():
            if whole.is_relative_to(folder):
                return opener(whole)
    return path.open("rb")


def read_file(path: Path) -> bytes:
    """All of the content."""
    with open_file(path) as file:
        return file.read()


def count_bytes(path: Path) -> int:
    """Of the content, however many the file has on the disk."""
    with open_file(path) as file:
        return measure(file)


def measure(file: BufferedReader) -> int:
    """The same of an opened file, which is at its beginning afterwards."""
    size = file.seek(0, 2)
    file.seek(0)
    return size


class FileContent:
    """A file as a row of bytes, of which no more is in memory than what is asked for."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._size = measure(file)

    def __len__(self) -> int:
        """Its bytes."""
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Some of them."""
        start, stop, _ = span.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(0, stop - start))

    def find(self, wanted: bytes, start: int, end: int) -> int:
        """Where they stand first between `start` and `end`; -1: nowhere."""
        overlap = len(wanted) - 1
        end = min(end, self._size)
        for position in range(start, end, FIND_BYTES):
            found = self[position : min(position + FIND_BYTES + overlap, end)].find(wanted)
            if found >= 0:
                return position + found
        return -1


Content = bytes | mmap.mmap | FileContent


@contextmanager
def looking_at(file: BufferedReader) -> Iterator[Content]:
    """The content of an opened file as bytes that are looked at here and there."""
    if isinstance(file.raw, FileIO):
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content
    elif measure(file) <= WHOLE_BYTES:
        yield file.read()
    else:
        yield FileContent(file)
