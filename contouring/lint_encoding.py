"""Lint rules on how a file is put together: its head, its elements and their lengths."""

from __future__ import annotations

from collections.abc import Iterator

from contouring.data_elements import IMPLICIT_LITTLE_ENDIAN
from contouring.lint_rules import THE_FILE, Severity, Subject, place_of, rule

LARGEST_SHORT_LENGTH = 65534  # bytes of a value whose length has 16 bits, made even


@rule(
    "file-meta",
    Severity.ERROR,
    "PS3.10 7.1",
    "The file begins with a preamble and File Meta Information that names the transfer syntax and "
    "the same SOP instance as the data set.",
)
def file_meta(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers decide by it how to read the rest."""
    data = subject.file.data
    if not data.has_preamble:
        yield THE_FILE, "There is no DICM prefix: many readers do not take it for a DICOM file."
    if not data.transfer_syntax_uid:
        yield THE_FILE, "No transfer syntax is named: a reader has to guess how it is encoded."
    for meta, own in (
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
        ("MediaStorageSOPClassUID", "SOPClassUID"),
    ):
        if data.meta.find(meta) is not None and data.meta.text(meta) != data.content.text(own):
            yield THE_FILE, f"{meta} differs from {own}: archives may file it under either."


@rule(
    "broken-encoding",
    Severity.ERROR,
    "PS3.5 7.1",
    "Every element is whole: its length fits into what holds it.",
)
def broken_encoding(subject: Subject) -> Iterator[tuple[str, str]]:
    """A file cut off in transfer, or a length of 16 bits that ran over."""
    for fault in subject.file.data.faults:
        yield THE_FILE, f"{fault} What follows is lost to readers."


@rule(
    "element-order",
    Severity.ERROR,
    "PS3.5 7.1",
    "Elements stand in ascending order of their tags, each once.",
)
def element_order(subject: Subject) -> Iterator[tuple[str, str]]:
    """Readers that stop at the tag they look for miss what stands behind it."""
    latest: dict[int, int] = {}
    for where, element, item in subject.file.elements:
        if element.tag < latest.get(id(item), 0):
            yield (
                place_of(where),
                f"{element.name} stands behind a later tag: some readers miss it.",
            )
        latest[id(item)] = max(element.tag, latest.get(id(item), 0))


@rule(
    "long-contour-explicit",
    Severity.WARNING,
    "PS3.5 6.2.2",
    "In explicit VR no contour takes more than 65,534 bytes, for then its VR must be UN.",
)
def long_contour_explicit(subject: Subject) -> Iterator[tuple[str, str]]:
    """The length of a DS has 16 bits."""
    data = subject.file.data
    for contour in subject.file.contours if data.is_explicit else ():
        element = contour.item.find("ContourData")
        if element is not None and (
            len(element.value) > LARGEST_SHORT_LENGTH or element.vr != "DS"
        ):
            yield (
                contour.where,
                f"ContourData has {len(element.value)} bytes and the VR {element.vr}: readers "
                "without its dictionary lose the contour. Implicit VR has no such limit.",
            )


@rule(
    "long-contour-implicit",
    Severity.NOTE,
    "PS3.5 6.2.2",
    "No contour takes more than 65,534 bytes, so that the file can be converted to explicit VR.",
)
def long_contour_implicit(subject: Subject) -> Iterator[tuple[str, str]]:
    """An archive that converts it has to write UN, and not all do."""
    data = subject.file.data
    for contour in () if data.is_explicit else subject.file.contours:
        element = contour.item.find("ContourData")
        if element is not None and len(element.value) > LARGEST_SHORT_LENGTH:
            yield (
                contour.where,
                f"ContourData has {len(element.value)} bytes: an archive that converts the file to "
                "explicit VR may cut it off.",
            )


@rule(
    "transfer-syntax",
    Severity.NOTE,
    "PS3.5 A.1",
    "Implicit VR little endian is used: every reader must know it, and no contour is too long.",
)
def transfer_syntax(subject: Subject) -> Iterator[tuple[str, str]]:
    """The default transfer syntax of DICOM."""
    named = subject.file.data.transfer_syntax_uid
    if named not in ("", IMPLICIT_LITTLE_ENDIAN):
        yield THE_FILE, f"The transfer syntax is {named}: not every reader has to know it."


RULES = (
    file_meta,
    broken_encoding,
    element_order,
    long_contour_explicit,
    long_contour_implicit,
    transfer_syntax,
)
