"""The command of a C-STORE and its answer as bytes (PS3.7 6.3.1: implicit VR, little endian).

By hand: pydicom and pynetdicom take longer for them than the disk for the object.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001  # PS3.7 E.1
NO_DATASET = 0x0101
UID_LENGTH = 64  # PS3.5 9.1
COMMENT_LENGTH = 64  # of an LO (PS3.5 6.2)


@dataclass(frozen=True)
class StoreCommand:
    """What a C-STORE-RQ says (PS3.7 9.3.1.1) that an SCP needs to know."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_dataset: bool


@dataclass(frozen=True)
class StoreAnswer:
    """`status` by PS3.4 B.2.3; `comment` for whoever reads the sender's log."""

    status: int
    comment: str = ""


def read_store_command(content: bytes) -> StoreCommand | None:
    """None where it is another command; raises `ValueError` where it is none at all."""
    elements = _read_elements(content)
    if _read_number(elements, 0x0100) != C_STORE_RQ:
        return None
    return StoreCommand(
        _read_number(elements, 0x0110),
        _read_uid(elements, 0x0002),
        _read_uid(elements, 0x1000),
        _read_number(elements, 0x0800) != NO_DATASET,
    )


def build_store_answer(command: StoreCommand, answer: StoreAnswer) -> bytes:
    """The C-STORE-RSP (PS3.7 9.3.1.2)."""
    comment = answer.comment[:COMMENT_LENGTH].encode("ascii", "replace")
    elements = b"".join(
        (
            _encode(0x0002, command.sop_class_uid.encode("ascii"), b"\0"),
            _encode_number(0x0100, C_STORE_RSP),
            _encode_number(0x0120, command.message_id),
            _encode_number(0x0800, NO_DATASET),
            _encode_number(0x0900, answer.status),
            _encode(0x0902, comment, b" ") if comment else b"",
            _encode(0x1000, command.sop_instance_uid.encode("ascii"), b"\0"),
        )
    )
    return _encode(0x0000, struct.pack("<I", len(elements))) + elements


def _read_elements(content: bytes) -> dict[int, bytes]:
    elements, position = {}, 0
    while position < len(content):
        try:
            group, element, length = struct.unpack_from("<HHI", content, position)
        except struct.error as error:
            raise ValueError("a command ends within an element") from error
        position += 8
        value = content[position : position + length]
        if group != 0 or len(value) != length:
            raise ValueError("a command is none: an element is not of its group, or is cut off")
        elements[element] = value
        position += length
    return elements


def _read_number(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise ValueError(f"a command has no (0000,{element:04X})")
    return int.from_bytes(value, "little")


def _read_uid(elements: dict[int, bytes], element: int) -> str:
    uid = elements.get(element, b"").decode("ascii").strip(" \0")
    if len(uid) > UID_LENGTH:
        raise ValueError(f"the UID (0000,{element:04X}) of a command is longer than any")
    return uid


def _encode_number(element: int, number: int) -> bytes:
    return _encode(element, struct.pack("<H", number))


def _encode(element: int, value: bytes, padding: bytes = b"") -> bytes:
    value += padding * (len(value) % 2)
    return struct.pack("<HHI", 0, element, len(value)) + value
