"""How messages may be cut into fragments and PDUs (PS3.8 Annex E), and how they may not."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from tests.service.dimse.peers import CT, RunningNode, read_object, run_node
from tests.service.dimse.test_store_command import write_request
from tests.workers.destinations.http_servers import make_keys
from tests.workers.processes import wait_until

DATASET, COMMAND, LAST = 0, 1, 2  # message control headers (PS3.8 E.2)
Fragment = tuple[int, int, bytes]  # context, message control header, bytes


@pytest.fixture
def sender(node: RunningNode) -> Association:
    """An association whose bytes a test writes by hand."""
    association = node.associate()
    assert association.is_established
    association._reactor_checkpoint.clear()  # its own thread leaves the answers to us
    return association


def find_context(sender: Association) -> int:
    """The one that was accepted with explicit VR."""
    (context_id,) = [
        one.context_id
        for one in sender.accepted_contexts
        if one.transfer_syntax[0] == ExplicitVRLittleEndian
    ]
    assert context_id is not None
    return context_id


def build_pdu(*fragments: Fragment) -> bytes:
    """One P-DATA-TF PDU."""
    parts = b"".join(
        struct.pack(">IBB", 2 + len(content), context_id, control) + content
        for context_id, control, content in fragments
    )
    return struct.pack(">BxI", 4, len(parts)) + parts


def send_bytes(sender: Association, content: bytes) -> None:
    """At once: over TLS in one record, as far as it goes."""
    assert sender.dul.socket is not None
    assert sender.dul.socket.socket is not None
    sender.dul.socket.socket.sendall(content)


def send(sender: Association, *fragments: Fragment) -> None:
    """One P-DATA-TF PDU."""
    send_bytes(sender, build_pdu(*fragments))


def build_object(file: Path) -> tuple[bytes, bytes]:
    """Command and data set of an object that nobody sent before."""
    uid = generate_uid()
    dataset = read_object(file, SOPInstanceUID=uid)
    content = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert content is not None
    return write_request(AffectedSOPClassUID=CT, AffectedSOPInstanceUID=uid), content


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    """The pieces between these places."""
    ends = [*places, len(content)]
    return [content[start:end] for start, end in zip([0, *places], ends, strict=True)]


def read_status(sender: Association) -> int:
    """Of the next answer."""
    _, answer = sender.dimse.get_msg(block=True)
    assert answer is not None
    return answer.Status


def release(sender: Association) -> None:
    """Let its own thread go on, and say goodbye."""
    sender._reactor_checkpoint.set()
    sender.release()
    assert sender.is_released


def wait_for_abort(sender: Association) -> None:
    """Let its own thread go on until it hears of one."""
    sender._reactor_checkpoint.set()
    wait_until(lambda: sender.is_aborted, "an abort")


@pytest.mark.parametrize("places", [[], [1], [8, 9, 40], range(1, 60)], ids=str)
def test_a_message_may_be_cut_anywhere(
    node: RunningNode, sender: Association, series: list[Path], places: Sequence[int]
) -> None:
    """Each fragment in a PDU of its own; senders cut where their buffers end."""
    command, dataset = build_object(series[0])
    context = find_context(sender)

    for kind, content in ((COMMAND, command), (DATASET, dataset)):
        *pieces, last = cut(content, places)
        for piece in pieces:
            send(sender, (context, kind, piece))
        send(sender, (context, kind | LAST, last))

    assert read_status(sender) == 0x0000
    release(sender)
    assert any(file.read_bytes().endswith(dataset) for file in node.find_kept().values())


def test_several_messages_may_share_a_pdu(
    node: RunningNode, sender: Association, series: list[Path]
) -> None:
    """Three objects at once: each is answered."""
    context = find_context(sender)
    fragments: list[Fragment] = []
    for _ in range(3):
        command, dataset = build_object(series[0])
        fragments.append((context, COMMAND | LAST, command))
        fragments += [(context, DATASET, dataset[:999]), (context, DATASET | LAST, dataset[999:])]

    send(sender, *fragments)

    assert [read_status(sender) for _ in range(3)] == [0x0000] * 3
    release(sender)
    node.wait_until_nothing_is_staged()


def test_an_object_without_a_data_set_is_not_understood(sender: Association) -> None:
    """And the association goes on."""
    command = write_request(CommandDataSetType=0x0101)

    send(sender, (find_context(sender), COMMAND | LAST, command))

    assert read_status(sender) == 0xC000
    release(sender)


BROKEN = {
    "a command within a data set": [(COMMAND | LAST, None), (DATASET, b"\0\0"), (COMMAND, b"\0")],
    "a data set without a command": [(DATASET | LAST, b"\x08\0\x16\0")],
    "no command at all": [(COMMAND | LAST, b"once upon a time")],
    "a command without end": [(COMMAND, bytes(60_000)), (COMMAND, bytes(60_000))],
}


@pytest.mark.parametrize("fragments", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_message_ends_the_association(
    node: RunningNode, sender: Association, fragments: list[tuple[int, bytes | None]]
) -> None:
    """By an A-ABORT; nothing of it stays, and the node goes on."""
    context = find_context(sender)

    for control, content in fragments:
        send(sender, (context, control, write_request() if content is None else content))

    wait_for_abort(sender)
    node.wait_until_nothing_is_staged()
    assert node.run("echoscu").returncode == 0


@pytest.mark.parametrize("length", [0, 1, 99, 2**32 - 1])
def test_a_fragment_must_end_where_its_pdu_does(
    node: RunningNode, sender: Association, length: int
) -> None:
    """A length that says otherwise is a fault of the sender or an attack."""
    part = struct.pack(">IBB", length, find_context(sender), COMMAND) + bytes(10)

    send_bytes(sender, struct.pack(">BxI", 4, len(part)) + part)

    wait_for_abort(sender)
    assert node.run("echoscu").returncode == 0


def test_a_context_that_was_not_accepted_holds_no_object(
    node: RunningNode, sender: Association
) -> None:
    """Its transfer syntax is unknown."""
    send(sender, (255, COMMAND | LAST, write_request()))

    wait_for_abort(sender)
    node.wait_until_nothing_is_staged()


def test_over_tls_what_is_read_already_is_not_waited_for(
    tmp_path: Path, series: list[Path]
) -> None:
    """Several PDUs in one record, the first of which makes the node say something."""
    keys = make_keys(tmp_path, "node")
    context = ssl.create_default_context(cafile=str(keys.certificate))
    context.check_hostname = False
    entity = AE("TESTER")
    for sop_class in (CT, Verification):
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    with run_node(tmp_path, dimse_tls_cert=keys.certificate, dimse_tls_key=keys.key) as node:
        sender = entity.associate(
            "127.0.0.1", node.port, ae_title="OARLOCK", tls_args=(context, "node")
        )
        assert sender.is_established
        sender._reactor_checkpoint.clear()
        contexts = {str(one.abstract_syntax): one.context_id for one in sender.accepted_contexts}
        echo = write_request(
            CommandField=0x0030, CommandDataSetType=0x0101, AffectedSOPClassUID=Verification
        )
        pdus = b""
        for _ in range(20):
            command, _ = build_object(series[0])
            dataset = b"\x08\0\x16\0UI\2\0" + b"1\0"
            pdus += build_pdu((contexts[Verification] or 0, COMMAND | LAST, echo))
            pdus += build_pdu((contexts[CT] or 0, COMMAND | LAST, command))
            pdus += build_pdu((contexts[CT] or 0, DATASET | LAST, dataset))

        send_bytes(sender, pdus)

        statuses = [read_status(sender) for _ in range(40)]
        assert sorted(statuses) == [0x0000] * 20 + [0xC000] * 20
        release(sender)
