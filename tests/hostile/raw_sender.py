"""A DICOM sender that sends any bytes as a data set; no library would."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Sequence

from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from tests.hostile.crafted_dicom import UIDS, find_dataset
from tests.service.dimse.test_store_command import write_request

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
)
ACCEPT, DATA, ABORT = 2, 4, 7  # PDU types (PS3.8 9.3)
OF_COMMAND, LAST = 1, 2
PIECE_BYTES = 64 * 1024
ABORTED = -1
META_SYNTAX = re.compile(rb"\x02\0\x10\0UI..([0-9.]+)", re.DOTALL)
INSTANCE = re.compile(rb"\x08\0\x18\0(?:UI..|.{4})([0-9.]{1,64})", re.DOTALL)
SOP_CLASS = re.compile(rb"\x08\0\x16\0(?:UI..|.{4})([0-9.]{1,64})", re.DOTALL)
STATUS = re.compile(rb"\0\0\0\x09\x02\0\0\0(..)", re.DOTALL)


class RawSender:
    """One association at a time; another one after each abort."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Without a word."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def store(self, file: bytes) -> int:
        """Send what a file holds by C-STORE; its status, or `ABORTED`."""
        is_part10 = file[128:132] == b"DICM" and len(file) > 144
        dataset = find_dataset(file) if is_part10 and _has_meta(file) else file
        said = META_SYNTAX.search(file[:1000])
        syntax = said[1].decode() if said else ""
        number = SYNTAXES.index(syntax) if syntax in SYNTAXES else 0
        command = write_request(
            AffectedSOPClassUID=_find(SOP_CLASS, dataset, CTImageStorage),
            AffectedSOPInstanceUID=_find(INSTANCE, dataset, UIDS[0]),
        )
        try:
            connection = self._connect()
            _send(connection, 2 * number + 1, OF_COMMAND | LAST, command)
            _send(connection, 2 * number + 1, LAST, dataset)
            kind, content = _receive(connection)
        except ConnectionError:
            kind, content = ABORT, b""
        if kind != DATA:
            assert kind == ABORT
            self.close()
            return ABORTED
        found = STATUS.search(content)
        assert found is not None
        return int.from_bytes(found[1], "little")

    def _connect(self) -> socket.socket:
        if self._socket is None:
            connection = socket.create_connection(("127.0.0.1", self._port), 60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_build_request(SYNTAXES))
            kind, _ = _receive(connection)
            assert kind == ACCEPT
            self._socket = connection
        return self._socket


def _has_meta(file: bytes) -> bool:
    (length,) = struct.unpack_from("<L", file, 140)
    return file[132:140] == b"\x02\0\0\0UL\x04\0" and length < len(file) - 144


def _find(pattern: re.Pattern[bytes], dataset: bytes, otherwise: str) -> str:
    found = pattern.search(dataset[:4096])
    return found[1].decode() if found else otherwise


def _build_request(syntaxes: Sequence[str]) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    contexts = b"".join(
        _item(
            0x20,
            struct.pack(">B3x", 2 * number + 1)
            + _item(0x30, CTImageStorage.encode())
            + _item(0x40, syntax.encode()),
        )
        for number, syntax in enumerate(syntaxes)
    )
    user = _item(0x51, struct.pack(">L", 16384)) + _item(0x52, UIDS[0].encode())
    titles = b"OARLOCK".ljust(16) + b"HOSTILE".ljust(16)
    body = b"\0\1\0\0" + titles + bytes(32) + _item(0x10, b"1.2.840.10008.3.1.1.1")
    body += contexts + _item(0x50, user)
    return struct.pack(">BxL", 1, len(body)) + body


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _send(connection: socket.socket, context: int, control: int, content: bytes) -> None:
    for start in range(0, max(1, len(content)), PIECE_BYTES):
        piece = content[start : start + PIECE_BYTES]
        is_last = start + PIECE_BYTES >= len(content)
        flags = control if is_last else control & ~LAST
        part = struct.pack(">LBB", 2 + len(piece), context, flags) + piece
        connection.sendall(struct.pack(">BxL", DATA, len(part)) + part)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    """Type and content of the next PDU."""
    kind, length = struct.unpack(">BxL", _read(connection, 6))
    return int(kind), _read(connection, length)


def _read(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = connection.recv(count - len(content))
        if not piece:
            raise ConnectionResetError("the node closed the connection")
        content += piece
    return content
