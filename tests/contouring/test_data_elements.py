"""The reading of data elements, against files of pydicom's making and against damage."""

from __future__ import annotations

import struct
import tracemalloc
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from contouring import data_elements
from contouring.data_elements import DEEPEST_NESTING, Item, read_data_set
from contouring.errors import NotDicomError

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
STRUCTURE_SET = b"1.2.840.10008.5.1.4.1.1.481.3\0"


def a_dataset() -> Dataset:
    """Text, numbers, a private element, and sequences in sequences."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = STRUCTURE_SET.decode().rstrip("\0")
    dataset.PatientName = "Ямада^太郎"
    dataset.SeriesNumber = 7
    dataset.add_new(0x30070010, "LO", "MAKER")
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    outer.ROIName = "Größe"
    outer.ContourImageSequence = DicomSequence([inner, inner])
    dataset.StructureSetROISequence = DicomSequence([outer])
    dataset.RTROIObservationsSequence = DicomSequence()
    return dataset


def encoded(dataset: Dataset, syntax: UID, *, is_undefined: bool = False) -> bytes:
    """As a file."""
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = is_undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = is_undefined
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def without_meta(*elements: bytes) -> bytes:
    """Bare elements, as some old systems write files; the SOP class is what makes them DICOM."""
    return b"\x08\x00\x16\x00" + length(STRUCTURE_SET) + STRUCTURE_SET + b"".join(elements)


def length(value: bytes) -> bytes:
    """A length of 32 bits."""
    return len(value).to_bytes(4, "little")


def implicit(tag: int, value: bytes) -> bytes:
    """An element of implicit VR."""
    return tag_bytes(tag) + length(value) + value


def tag_bytes(tag: int) -> bytes:
    """A tag, little endian."""
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


@pytest.mark.parametrize("is_undefined", [False, True], ids=["with lengths", "with delimiters"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_what_pydicom_writes_is_read_back(syntax: UID, is_undefined: bool) -> None:
    """In every transfer syntax that a structure set may have."""
    data = read_data_set(encoded(a_dataset(), syntax, is_undefined=is_undefined))

    content = data.content
    (roi,) = content.items("StructureSetROISequence")
    assert data.faults == ()
    assert data.has_preamble
    assert data.transfer_syntax_uid == syntax
    assert data.is_explicit == (syntax != ImplicitVRLittleEndian)
    assert content.text("PatientName") == "Ямада^太郎"
    assert content.integer("SeriesNumber") == 7
    assert roi.text("ROIName") == "Größe"  # in the character set of what is around it
    assert [
        image.text("ReferencedSOPInstanceUID") for image in roi.items("ContourImageSequence")
    ] == [
        "1.2.3",
        "1.2.3",
    ]
    assert content.find("RTROIObservationsSequence") is not None
    assert content.items("RTROIObservationsSequence") == ()


def test_every_element_is_walked_with_its_place() -> None:
    """Messages say where."""
    content = read_data_set(encoded(a_dataset(), ImplicitVRLittleEndian)).content

    places = [f"{where}{element.name}" for where, element, _ in content.walk()]

    assert "PatientName (0010,0010)" in places
    assert (
        "StructureSetROISequence 1 > ContourImageSequence 2 > ReferencedSOPInstanceUID (0008,1155)"
        in places
    )
    assert "(3007,0010)" in places
    assert [e.is_private for _, e, _ in content.walk()].count(True) == 1


def test_what_is_not_there_is_empty() -> None:
    """Rules ask without looking first."""
    content = read_data_set(without_meta(implicit(0x00200011, b"7 sausages"))).content

    assert content.find("PatientID") is None
    assert (content.raw("PatientID"), content.text("PatientID")) == (b"", "")
    assert content.integer("SeriesNumber") is None
    assert content.items("ROIContourSequence") == ()
    with pytest.raises(KeyError):
        content.find("NoKeyword")


@pytest.mark.parametrize(
    ("terms", "encoded_name", "name"),
    [
        (b"", b"M\xfcller", "Müller"),  # beyond ASCII without a set: most readers take Latin-1
        (b"ISO_IR 144", "Иванов".encode("iso8859-5"), "Иванов"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B", "Yamada=山田"),
        (b"GB18030", "王^小".encode("gb18030"), "王^小"),
        (b"ISO_IR 192", b"M\xfcller", "M\ufffdller"),
        (b"NO_SUCH_SET", b"Miller", "Miller"),
    ],
)
def test_names_are_decoded_in_their_character_set(
    terms: bytes, encoded_name: bytes, name: str
) -> None:
    """A name that cannot be decoded still has a text to compare."""
    content = read_data_set(
        implicit(0x00080005, terms)
        + implicit(0x00080016, STRUCTURE_SET)
        + implicit(0x00100010, encoded_name)
    )

    assert content.content.text("PatientName") == name


def test_a_file_without_meta_information_is_guessed() -> None:
    """Explicit, where two letters of a VR stand behind the first tag."""
    explicit = b"\x08\x00\x16\x00UI" + len(STRUCTURE_SET).to_bytes(2, "little") + STRUCTURE_SET

    for content in (explicit, without_meta()):
        data = read_data_set(content)

        assert data.content.text("SOPClassUID") == STRUCTURE_SET.decode().rstrip("\0")
        assert (data.has_preamble, data.transfer_syntax_uid, data.faults) == (False, "", ())


@pytest.mark.parametrize("content", [b"", b"DICM", b"\x08\x00\x16\x00" + bytes(40)])
def test_other_files_are_no_dicom(content: bytes) -> None:
    """Without the prefix, only a SOP class makes a file DICOM."""
    with pytest.raises(NotDicomError):
        read_data_set(content)


def test_an_undefined_length_under_an_unknown_vr_is_a_sequence_of_implicit_vr() -> None:
    """What PS3.5 6.2.2 says of elements whose VR was lost."""
    item = implicit(0xFFFEE000, implicit(0x30060026, b"Cord"))
    nested = tag_bytes(0x30060020) + b"UN\0\0\xff\xff\xff\xff" + item + implicit(0xFFFEE0DD, b"")
    explicit = b"\x08\x00\x16\x00UI" + len(STRUCTURE_SET).to_bytes(2, "little") + STRUCTURE_SET

    data = read_data_set(explicit + nested)

    (roi,) = data.content.items("StructureSetROISequence")
    assert roi.text("ROIName") == "Cord"
    assert data.faults == ()


@pytest.mark.parametrize(
    ("damaged", "fault"),
    [
        (implicit(0x00100020, b"P-1")[:-1], "PatientID (0010,0020) is cut off: 1 of its bytes"),
        (b"\x10\x00\x20", "3 bytes at byte 38 are no whole element."),
        (implicit(0x30060020, b"\x10\x00\x20\x00\0\0\0\0"), "no item begins there"),
        (tag_bytes(0x30060020) + b"\xff\xff\xff\xff", "no item begins there"),
        (implicit(0x30060020, implicit(0xFFFEE000, b"")[:-1]), "no item begins there"),
        (implicit(0x30060020, tag_bytes(0xFFFEE000) + b"\x40\0\0\0"), "is cut off: 64"),
        (implicit(0x00100020, b"1") * 2, "PatientID (0010,0020) stands twice"),
    ],
)
def test_damage_is_told_and_read_around(damaged: bytes, fault: str) -> None:
    """What stands before it is still there."""
    data = read_data_set(without_meta(damaged))

    assert data.content.text("SOPClassUID") == STRUCTURE_SET.decode().rstrip("\0")
    assert any(fault in told for told in data.faults), data.faults


def test_an_unknown_vr_ends_the_reading() -> None:
    """A length that ran over leaves text where a tag should be."""
    content = encoded(a_dataset(), ExplicitVRLittleEndian)

    data = read_data_set(content.replace(b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00??"))

    assert data.content.find("PatientName") is None
    assert any("has no known VR" in fault for fault in data.faults)


def test_broken_meta_information_leaves_the_rest() -> None:
    """The transfer syntax is then unknown, and guessed."""
    content = encoded(a_dataset(), ImplicitVRLittleEndian)

    data = read_data_set(content[:132] + b"\x02\x00\x00\x00??" + content[132:])

    assert data.transfer_syntax_uid == ""
    assert data.faults != ()


def test_sequences_are_followed_only_so_deep() -> None:
    """A hostile file could nest until the stack ends."""
    nested = implicit(0x00100020, b"deep")
    for _ in range(DEEPEST_NESTING + 10):
        nested = implicit(0x30060020, implicit(0xFFFEE000, nested))

    data = read_data_set(without_meta(nested))

    assert _depth(data.content) == DEEPEST_NESTING
    assert any("no item begins there" in fault for fault in data.faults)


def _depth(item: Item) -> int:
    return max((1 + _depth(inner) for inner in item.items("StructureSetROISequence")), default=0)


def test_a_deflated_file_is_inflated_only_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb of a few kilobytes must not fill the memory."""
    content = encoded(a_dataset(), DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(data_elements, "LARGEST_INFLATED_BYTES", 100)

    data = read_data_set(content)

    assert any("too large to be inflated" in fault for fault in data.faults)


def test_a_broken_deflated_file_is_told() -> None:
    """Nothing of it can be read."""
    content = encoded(a_dataset(), DeflatedExplicitVRLittleEndian)
    start = content.rindex(DeflatedExplicitVRLittleEndian.encode()) + 22

    data = read_data_set(content[:start] + b"\xff" * 40)

    assert data.content.elements == {}
    assert data.faults != ()


def test_the_tags_of_strangers_are_not_remembered_for_ever() -> None:
    """A reader that runs for months would hold all that it was ever shown."""
    tags = [(group, element) for group in (0x4001, 0x4003) for element in range(0x1000, 0x9000)]
    content = bytes(128) + b"DICM" + b"".join(struct.pack("<HHL", *tag, 0) for tag in tags)
    tracemalloc.start()

    read = read_data_set(content)
    assert len(read.content.elements) == len(tags)
    del read
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 2 * 2**20
