"""Commands of C-STORE and their answers, as pynetdicom writes and reads them."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from service.dimse.store_command import (
    StoreAnswer,
    StoreCommand,
    build_store_answer,
    read_store_command,
)
from tests.service.dimse.peers import CT

NUMBERS = st.integers(0, 0xFFFF)
UIDS = st.from_regex(r"[1-9][0-9]{0,8}(\.[1-9][0-9]{0,8}){0,5}", fullmatch=True)


def write_request(**changes: object) -> bytes:
    """A C-STORE-RQ as pydicom encodes it."""
    elements = {
        "AffectedSOPClassUID": CT,
        "CommandField": 0x0001,
        "MessageID": 7,
        "Priority": 0,
        "CommandDataSetType": 0x0001,
        "AffectedSOPInstanceUID": "1.2.3",
        **changes,
    }
    command = Dataset()
    for keyword, value in elements.items():
        setattr(command, keyword, value)
    content = encode(command, is_implicit_vr=True, is_little_endian=True)
    assert content is not None
    return content


@given(UIDS, UIDS, NUMBERS)
def test_a_request_is_read_as_it_was_written(
    sop_class_uid: str, sop_instance_uid: str, message_id: int
) -> None:
    """UIDs of odd length are padded with a NUL."""
    content = write_request(
        AffectedSOPClassUID=sop_class_uid,
        AffectedSOPInstanceUID=sop_instance_uid,
        MessageID=message_id,
    )

    read = read_store_command(content)

    assert read == StoreCommand(message_id, sop_class_uid, sop_instance_uid, has_dataset=True)


def test_a_request_without_a_data_set_says_so() -> None:
    """0x0101 is the one value that does."""
    command = read_store_command(write_request(CommandDataSetType=0x0101))

    assert command is not None
    assert not command.has_dataset


def test_another_command_is_left_to_others() -> None:
    """Here a C-ECHO-RQ."""
    assert read_store_command(write_request(CommandField=0x0030)) is None


@given(UIDS, UIDS, NUMBERS, NUMBERS, st.text(st.characters(codec="ascii"), max_size=100))
def test_an_answer_is_read_as_it_was_meant(
    sop_class_uid: str, sop_instance_uid: str, message_id: int, status: int, comment: str
) -> None:
    """Every sender's toolkit decodes it so."""
    command = StoreCommand(message_id, sop_class_uid, sop_instance_uid, has_dataset=True)

    content = build_store_answer(command, StoreAnswer(status, comment))

    answer = decode(BytesIO(content), True, True)
    assert answer.CommandGroupLength == len(content) - 12
    assert answer.CommandField == 0x8001
    assert answer.MessageIDBeingRespondedTo == message_id
    assert answer.CommandDataSetType == 0x0101
    assert answer.Status == status
    assert answer.AffectedSOPClassUID == sop_class_uid
    assert answer.AffectedSOPInstanceUID == sop_instance_uid
    assert answer[0x0000, 0x0902].value if comment.strip() else True


@given(st.binary(max_size=200))
def test_what_is_no_command_is_refused(content: bytes) -> None:
    """Whatever the bytes are: nothing but `ValueError`."""
    with pytest.raises(ValueError, match="command"):
        read_store_command(content)


@given(st.integers(1, 13))
def test_a_command_that_is_cut_off_is_refused(missing: int) -> None:
    """The last element has 8 bytes of head and 6 of value."""
    with pytest.raises(ValueError, match="a command"):
        read_store_command(write_request()[:-missing])


def test_a_uid_that_is_longer_than_any_is_refused() -> None:
    """It would be said again in the answer, which must fit the sender's PDUs."""
    with pytest.raises(ValueError, match="longer than any"):
        read_store_command(write_request(AffectedSOPInstanceUID="1." * 40 + "1"))
