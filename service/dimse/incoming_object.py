"""The data set of a C-STORE on its way to the disk, as a Part 10 file (PS3.10 7.1)."""

from __future__ import annotations

import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from pydicom.uid import UID

from contouring.dicom_files import PREAMBLE, UNREADABLE
from contouring.dicom_gate import check_file
from contouring.errors import (
    NotStorableError,
    OarlockError,
    StorageFullError,
    UploadTooLargeError,
)
from contouring.provenance import IMPLEMENTATION_UID, MANUFACTURER
from workers.content_hash import begin_dataset_hash
from workers.disk_space import check_space
from workers.encryption.vault import create_file, forget_created, settle
from workers.instances import ReceivedInstance, identify, identify_by_head
from workers.limits import MEBIBYTE
from workers.settings import Settings

HEAD_BYTES = 64 * 1024  # of the data set: what tells objects apart is nearly always among them
CHECKED_BYTES = 64 * MEBIBYTE  # between two looks at the room that is left


class IncomingObject:
    """A file that grows with the fragments of one object.

    What goes wrong on the way is kept until `finish`: a sender hears nothing before its last
    fragment.
    """

    def __init__(
        self,
        folder: Path,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax: UID,
        limits: Settings,
    ) -> None:
        self._limits = limits
        self._transfer_syntax = transfer_syntax
        self._hash = begin_dataset_hash(transfer_syntax)
        self._head = bytearray()
        self._size = 0
        self._checked_until = CHECKED_BYTES
        self._fault: OSError | OarlockError | None = None
        descriptor, name = tempfile.mkstemp(prefix="dimse-", dir=folder)
        self._path = Path(name)
        self._file = create_file(self._path, descriptor)
        try:
            check_space(folder, 0, limits.reserve_bytes)
            self._file.write(_build_meta(sop_class_uid, sop_instance_uid, transfer_syntax))
        except (OSError, StorageFullError) as error:
            self._fault = error
        except UNREADABLE:
            self._fault = NotStorableError("the command names no class or instance")

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set; after a fault they are dropped."""
        if self._fault is None:
            try:
                self._take(fragment)
            except (OSError, OarlockError) as error:
                self._fault = error

    def finish(self) -> ReceivedInstance:
        """The whole object, on the disk if it is one that is kept.

        Raises `OSError`, `StorageFullError`, `UploadTooLargeError`, `DicomLimitError` and
        `NotStorableError`.
        """
        if self._fault is not None:
            raise self._fault
        size, sha256 = self._file.tell(), self._hash.hexdigest()
        self._file.close()
        check_file(self._path, self._limits.dicom_limits, "The object")
        instance = identify_by_head(
            bytes(self._head), self._transfer_syntax, self._path, sha256, size
        ) or identify(self._path, sha256)
        if instance.is_ct:
            settle(self._path, instance.study_instance_uid, sha256)
        return instance

    def discard(self) -> None:
        """Close the file, and remove it unless it was given its place."""
        with suppress(OSError):  # what it could not write before, it cannot write now
            self._file.close()
        self._path.unlink(missing_ok=True)
        forget_created(self._path)

    def _take(self, fragment: memoryview) -> None:
        self._size += len(fragment)
        if self._size > self._limits.upload_bytes:
            raise UploadTooLargeError("The object", f"{self._limits.upload_bytes} bytes")
        if self._size > self._checked_until:
            self._checked_until += CHECKED_BYTES
            check_space(self._path.parent, 0, self._limits.reserve_bytes)
        if len(self._head) < HEAD_BYTES:
            self._head += fragment[:HEAD_BYTES]
        self._file.write(fragment)
        self._hash.update(fragment)


def _build_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax: UID) -> bytes:
    """The meta group (PS3.10 7.1); nothing in it depends on who sent the object, or when.

    By hand: pydicom takes as long for it as the disk for the object.
    """
    group = b"".join(
        (
            struct.pack("<HH2s2xI2s", 2, 0x0001, b"OB", 2, b"\0\1"),
            _encode(0x0002, b"UI", sop_class_uid, b"\0"),
            _encode(0x0003, b"UI", sop_instance_uid, b"\0"),
            _encode(0x0010, b"UI", transfer_syntax, b"\0"),
            _encode(0x0012, b"UI", IMPLEMENTATION_UID, b"\0"),
            _encode(0x0013, b"SH", MANUFACTURER.upper(), b" "),
        )
    )
    return PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group


def _encode(element: int, vr: bytes, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
