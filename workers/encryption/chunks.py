"""A file's content in chunks that are encrypted one by one: STREAM (Hoang et al. 2015), as in age.

Each chunk of 64 KiB is sealed by AES-256-GCM under a key that belongs to this file alone. Its
nonce is its number and a mark of the last one, so that a chunk which is missing, moved, doubled or
cut off does not open, and each can be read without those before it.
"""

from __future__ import annotations

import os
from io import FileIO, RawIOBase, UnsupportedOperation
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contouring.errors import SealedFileError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
NUMBER_BYTES = 11  # of the nonce's 12; the last one is the mark


class ChunkWriter(RawIOBase):
    """Takes a content piece by piece; holds no more than a chunk of it."""

    def __init__(self, file: FileIO, key: bytes, start: int) -> None:
        self._file, self._cipher = file, AESGCM(key)
        self._held = bytearray()
        self._number = self._taken = 0
        file.write(bytes(start))  # room for a header

    def writable(self) -> bool:
        """It is, until it is closed."""
        return True

    def write(self, piece: ReadableBuffer) -> int:
        """Take the next bytes."""
        size = memoryview(piece).nbytes
        self._held += piece
        self._taken += size
        # One byte more than a chunk shows that it is not the last one.
        while len(self._held) > CHUNK_BYTES:
            self._put(bytes(self._held[:CHUNK_BYTES]), is_last=False)
            del self._held[:CHUNK_BYTES]
        return size

    def tell(self) -> int:
        """Bytes of the content that were taken."""
        return self._taken

    def close(self) -> None:
        """Write the last chunk; before that, nobody can read any of it as whole."""
        if self.closed:
            return
        try:
            self._put(bytes(self._held), is_last=True)
        finally:
            self._file.close()
            super().close()

    def _put(self, chunk: bytes, *, is_last: bool) -> None:
        sealed = self._cipher.encrypt(_build_nonce(self._number, is_last), chunk, None)
        self._number += 1
        view = memoryview(sealed)
        while view:  # a disk may take less than it is given
            view = view[self._file.write(view) :]


class ChunkReader(RawIOBase):
    """The content again, from any place; raises `SealedFileError` where it is not as written."""

    def __init__(self, file: FileIO, key: bytes, start: int, name: str) -> None:
        self._file, self._cipher, self._start = file, AESGCM(key), start
        self.name = name
        size = os.fstat(file.fileno()).st_size - start
        self._count = -(-size // SEALED_BYTES)
        self._size = size - self._count * TAG_BYTES
        rest = size - (self._count - 1) * SEALED_BYTES
        # An empty chunk can be the first one alone.
        if size < TAG_BYTES or rest < TAG_BYTES + (self._count > 1):
            raise self._fault()
        self._position = 0
        self._held_number, self._held = -1, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """There is none that would show the content."""
        raise UnsupportedOperation("fileno")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place of the content."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """The place."""
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Up to the end of a chunk."""
        target = memoryview(buffer).cast("B")
        number, offset = divmod(self._position, CHUNK_BYTES)
        piece = self._read_chunk(number)[offset : offset + len(target)]
        target[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        """From the place to the end."""
        number, offset = divmod(self._position, CHUNK_BYTES)
        chunks = [self._read_chunk(one) for one in range(number, self._count)]
        self._position = max(self._position, self._size)
        return b"".join(chunks)[offset:]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _read_chunk(self, number: int) -> bytes:
        if number == self._held_number:
            return self._held
        if number >= self._count:
            return b""
        place = self._start + number * SEALED_BYTES
        sealed = os.pread(self._file.fileno(), SEALED_BYTES, place)
        try:
            nonce = _build_nonce(number, number == self._count - 1)
            chunk = self._cipher.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise self._fault() from None
        self._held_number, self._held = number, chunk
        return chunk

    def _fault(self) -> SealedFileError:
        return SealedFileError(self.name, "its bytes are not those that were written")


def _build_nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big") + bytes([is_last])
