"""One DICOM object as it was received: which it is, and the file that holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from contouring.dicom_files import (
    SERIES_INSTANCE_UID,
    UNREADABLE,
    read_identity,
    telling_damage,
)
from contouring.dicom_gate import DicomLimits, check_file
from contouring.errors import DicomLimitError, NotStorableError
from contouring.multiframe import SLICE_CLASSES
from contouring.opened_files import count_bytes

UID_FORM = re.compile(r"[0-9]+(\.[0-9]+)*")
UID_LENGTH = 64  # PS3.5 9.1
SHOWN_LENGTH = 120  # characters of a sender's words that are kept


@dataclass(frozen=True)
class SealedIdentity:
    """What was taken off an object, as only the service can open it.

    `original`: what stands for the object that came in; `uids` and `header`: sealed.
    """

    original: str
    uids: bytes
    header: bytes


@dataclass(frozen=True)
class ReceivedInstance:
    """A whole object in a staged file.

    `sha256`: of its content (hex), see `ContentHash`; `size`: the file's bytes; `description`: of
    the series, cut; `patient_id`: for its pseudonym in the audit records, kept nowhere. Of one that
    is kept without its patient's name, `identity` is what was taken off, and `sent` the object as
    its sender knows it.
    """

    path: Path
    sha256: str
    size: int
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    modality: str
    description: str
    patient_id: str = ""
    identity: SealedIdentity | None = None
    sent: ReceivedInstance | None = None

    @property
    def as_sent(self) -> ReceivedInstance:
        """The object of which its sender is told what became."""
        return self.sent or self

    @property
    def is_ct(self) -> bool:
        """Whether it is kept; anything else is acknowledged and counted."""
        return self.sop_class_uid in SLICE_CLASSES and self.modality in ("CT", "")


def identify(path: Path, sha256: str, limits: DicomLimits | None = None) -> ReceivedInstance:
    """Read which object a staged file holds; raises `NotStorableError` where it names none.

    `limits`: of a file that nobody has looked at yet.
    """
    try:
        if limits is not None:
            check_file(path, limits)
        header = read_identity(path)
        transfer_syntax_uid = _read_uid(header.file_meta, "TransferSyntaxUID")
        return _build(header, transfer_syntax_uid, path, sha256, count_bytes(path))
    except DicomLimitError as error:
        raise NotStorableError(error.fault) from error
    except InvalidDicomError as error:
        raise NotStorableError("it is not a DICOM file (PS3.10 7.1)") from error
    except UNREADABLE as error:
        raise NotStorableError("its header is damaged") from error


def identify_by_head(
    head: bytes, transfer_syntax: UID, path: Path, sha256: str, size: int
) -> ReceivedInstance | None:
    """The same from the first bytes of a data set, which saves reading the file again.

    None where they do not reach far enough or cannot be read: the file has the last word.
    """
    try:
        header = None if transfer_syntax.is_deflated else _read_head(head, transfer_syntax)
        if header is None:
            return None
        return _build(header, str(transfer_syntax), path, sha256, size)
    except (*UNREADABLE, NotStorableError):
        return None


def _read_head(head: bytes, transfer_syntax: UID) -> Dataset | None:
    is_reached = False

    def is_behind(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal is_reached
        is_reached = tag > SERIES_INSTANCE_UID
        return is_reached

    with telling_damage():
        header = read_dataset(
            BytesIO(head),
            transfer_syntax.is_implicit_VR,
            transfer_syntax.is_little_endian,
            stop_when=is_behind,
        )
    return header if is_reached else None


def _build(
    header: Dataset, transfer_syntax_uid: str, path: Path, sha256: str, size: int
) -> ReceivedInstance:
    return ReceivedInstance(
        path=path,
        sha256=sha256,
        size=size,
        sop_class_uid=_read_uid(header, "SOPClassUID"),
        sop_instance_uid=_read_uid(header, "SOPInstanceUID"),
        series_instance_uid=_read_uid(header, "SeriesInstanceUID"),
        study_instance_uid=_read_uid(header, "StudyInstanceUID"),
        transfer_syntax_uid=transfer_syntax_uid,
        modality=_read_words(header, "Modality")[:16],
        description=_read_words(header, "SeriesDescription"),
        patient_id=_read_words(header, "PatientID"),
    )


def _read_uid(header: Dataset, keyword: str) -> str:
    text = str(header.get(keyword, "")).strip(" \0")
    if len(text) > UID_LENGTH or not UID_FORM.fullmatch(text):
        raise NotStorableError(f"its {keyword} is {text[:UID_LENGTH] or 'missing'!r}")
    return text


def _read_words(header: Dataset, keyword: str) -> str:
    """Printable, for PostgreSQL keeps no NUL; a sender's words are no reason to refuse."""
    try:
        text = str(header.get(keyword, ""))
    except UNREADABLE:
        return ""
    return build_shown_words(text)


def build_shown_words(text: str) -> str:
    """A sender's words as messages may show them: printable, and not too long."""
    return "".join(letter for letter in text if letter.isprintable())[:SHOWN_LENGTH]
