"""What a file's checksum is made of."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from contouring.dicom_files import PREAMBLE
from tests.phantoms import write_small_series
from workers.content_hash import ContentHash, begin_dataset_hash

DATASET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192" + bytes(300)


def build_file(
    writer: str, syntax: str = ExplicitVRLittleEndian, dataset: bytes = DATASET
) -> bytes:
    """A Part 10 file that names the application which wrote it."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = syntax
    meta.ImplementationVersionName = writer
    head = pydicom.filebase.DicomBytesIO()
    write_file_meta_info(head, meta)
    return PREAMBLE + head.getvalue() + dataset


def hash_whole(content: bytes) -> str:
    """The checksum of a file that is given at once."""
    taken = ContentHash()
    taken.update(content)
    return taken.hexdigest()


def test_the_same_object_written_by_two_applications_is_one_content() -> None:
    """PACS rewrite the meta group; the object is the same."""
    assert hash_whole(build_file("PACS 1")) == hash_whole(build_file("SCANNER 22"))


def test_a_file_has_the_checksum_of_its_data_set_as_it_comes_by_c_store() -> None:
    """There it has no meta group at all, and the transfer syntax is the association's."""
    by_c_store = begin_dataset_hash(ExplicitVRLittleEndian)
    by_c_store.update(DATASET)

    assert hash_whole(build_file("PACS")) == by_c_store.hexdigest()


def test_another_data_set_or_transfer_syntax_is_another_content() -> None:
    """The bytes of a data set mean nothing without their transfer syntax."""
    contents = [
        build_file("PACS"),
        build_file("PACS", ImplicitVRLittleEndian),
        build_file("PACS", dataset=DATASET + b"\0\0"),
    ]

    assert len({hash_whole(content) for content in contents}) == 3


@given(st.lists(st.integers(0, 900), max_size=12).map(sorted))
def test_pieces_of_any_size_give_the_same_checksum(cuts: list[int]) -> None:
    """The network cuts where it likes."""
    content = build_file("PACS")
    taken = ContentHash()

    for start, end in itertools.pairwise([0, *cuts, len(content)]):
        taken.update(content[start:end])

    assert taken.hexdigest() == hash_whole(content)


def test_a_real_file_is_read_like_one_of_ours(tmp_path: Path) -> None:
    """pydicom's reader and this one agree on where the data set begins."""
    (file, *_) = write_small_series(tmp_path)
    read = pydicom.dcmread(file)
    head = pydicom.filebase.DicomBytesIO()
    write_file_meta_info(head, read.file_meta)
    expected = begin_dataset_hash(read.file_meta.TransferSyntaxUID)
    expected.update(file.read_bytes()[len(PREAMBLE) + len(head.getvalue()) :])

    assert hash_whole(file.read_bytes()) == expected.hexdigest()


GOOD = build_file("PACS")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no DICOM",
        GOOD[:200],
        GOOD[128:],
        GOOD[:140] + b"\xff\xff\xff\x7f" + GOOD[144:],
        GOOD[:140] + (len(GOOD) - 144).to_bytes(4, "little") + GOOD[144:],
        GOOD.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI"),
    ],
    ids=[
        "empty",
        "other",
        "cut short",
        "without preamble",
        "a group longer than any",
        "a group that claims the data set",
        "no transfer syntax",
    ],
)
def test_a_file_without_a_sound_meta_group_is_known_by_all_of_it(content: bytes) -> None:
    """Otherwise a file could leave its patient out of what it is known by."""
    assert hash_whole(content) == hashlib.sha256(content).hexdigest()
