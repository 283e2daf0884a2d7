"""What is a bomb to pydicom is one to the gate, however it looks."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from contouring.dicom_gate import DicomLimits, check_file
from contouring.errors import DicomLimitError
from tests.hostile.attacks import find_bombs
from tests.hostile.crafted_dicom import nest, write_ct, write_element
from tests.hostile.disguises import build_disguises

OUT_OF_STEP = {
    "command-before-the-data-set": "it has a command (group 0000), which no file may have",
    "syntax-absent-big-endian": "its sequences are nested deeper than 32",
    "syntax-nul-deflated": "its sequences are nested deeper than 32",
    "syntax-padded-big-endian": "its element (0002,0010) is 80 bytes, over 64",
    "syntax-as-bytes": "its transfer syntax is not written as a UID",
    "class-padded": "its element (0008,0016) is 86 bytes, over 64",
    "meta-of-an-unknown-vr": "its meta group has an unknown VR",
    "meta-with-a-sequence": "its sequences are nested deeper than 32",
    "end-of-an-item-first": "it begins with the end of an item",
    "deflated-second-meta": "it has a second meta group, which no file may have",
    "deflated-elsewhere": "its meta group is not as long as it says",
    "fragments-then-no-fragment": "its sequences are nested deeper than 32",
    "end-within-a-fragment": "its sequences are nested deeper than 32",
    "value-without-end-in-an-item": "a value in one of its sequences has no end",
    "explicit-in-unknown": "its sequences are nested deeper than 32",
    "sequence-said-to-be-unknown": "its sequences are nested deeper than 32",
    "element-longer-than-its-item": "its sequences are nested deeper than 32",
}


@pytest.mark.parametrize("name", OUT_OF_STEP)
def test_the_gate_sees_what_pydicom_would_read(tmp_path: Path, name: str) -> None:
    """Else what is a bomb to the one is nothing to the other."""
    file = tmp_path / "file"
    file.write_bytes(build_disguises()[name])

    with pytest.raises(DicomLimitError) as refused:
        check_file(file, DicomLimits())

    assert refused.value.fault == OUT_OF_STEP[name]
    assert name in find_bombs()


def test_each_disguise_has_its_word() -> None:
    """None is left out."""
    assert OUT_OF_STEP.keys() == build_disguises().keys()


def test_private_elements_are_no_sequences_by_a_table_of_names() -> None:
    """What pydicom calls one need not begin like one, and the gate would pass over it."""
    creator = write_element(0x00710010, "LO", b"AGFA-AG_HPState")
    disguised = write_element(0x00711018, "UN", b"junk" + b"\x40\0\0\0" + nest(3))

    dataset = pydicom.dcmread(BytesIO(write_ct(creator + disguised)))

    assert pydicom.datadict.private_dictionary_VR(0x00711018, "AGFA-AG_HPState") == "SQ"
    assert dataset[0x00710010].value == "AGFA-AG_HPState"
    assert dataset[0x00711018].VR == "UN"
    assert isinstance(dataset[0x00711018].value, bytes)
