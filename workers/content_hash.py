"""The checksum by which an object is known, whichever way it came in.

A file's meta group (PS3.10 7.1) says who wrote the file, not what is in it: an object that is sent
by STOW-RS and by C-STORE has two of them. Only the transfer syntax and the data set count, so that
both are one object, one series and one job.
"""

from __future__ import annotations

import hashlib
import struct

from contouring.dicom_files import PREAMBLE

MAGIC = PREAMBLE[128:]
META_START = len(PREAMBLE) + 12  # behind the element that says how long the group is
MOST_META_BYTES = 2**16
GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
LONG_VRS = (b"OB", b"OW", b"SQ", b"UN", b"UT")  # those with 4 bytes of length (PS3.5 7.1.2)
TRANSFER_SYNTAX = 0x0010


class ContentHash:
    """SHA-256 of a file that is given piece by piece.

    Of a file without a sound meta group it is that of the whole file.
    """

    def __init__(self) -> None:
        self._head: bytearray | None = bytearray()  # until it is known where the data set begins
        self._hash = hashlib.sha256()

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes of the file."""
        if self._head is None:
            self._hash.update(piece)
            return
        self._head += piece
        start = _find_dataset(self._head)
        if start is not None and len(self._head) >= start:
            self._begin(self._head, start)

    def hexdigest(self) -> str:
        """The checksum, once the file is over."""
        if self._head is not None:
            self._begin(self._head, 0)
        return self._hash.hexdigest()

    def _begin(self, head: bytearray, start: int) -> None:
        transfer_syntax_uid = _read_transfer_syntax(head[META_START:start])
        self._head = None
        if transfer_syntax_uid:
            self._hash = begin_dataset_hash(transfer_syntax_uid)
            head = head[start:]
        self._hash.update(head)


def begin_dataset_hash(transfer_syntax_uid: str) -> hashlib._Hash:
    """The hash that is to take the data set's bytes."""
    return hashlib.sha256(transfer_syntax_uid.encode() + b"\0")


def _find_dataset(head: bytearray) -> int | None:
    """Where the data set begins: 0 where that cannot be said, None before it can."""
    if len(head) < META_START:
        return None
    if head[128:132] != MAGIC or head[132:140] != GROUP_LENGTH:
        return 0
    (length,) = struct.unpack_from("<I", head, 140)
    return META_START + length if length <= MOST_META_BYTES else 0


def _read_transfer_syntax(meta: bytearray) -> str:
    """Empty unless these bytes are elements of the meta group, all of them, and one says it."""
    found, position = "", 0
    while position < len(meta):
        try:
            group, element, vr, length = struct.unpack_from("<HH2sH", meta, position)
            start = position + 8
            if vr in LONG_VRS:
                (length,) = struct.unpack_from("<I", meta, start)
                start += 4
        except struct.error:
            return ""
        if group != 2:
            return ""
        position = start + length
        if element == TRANSFER_SYNTAX:
            found = meta[start:position].decode("latin-1").rstrip("\0 ")
    return found if position == len(meta) else ""
