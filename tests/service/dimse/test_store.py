"""C-STORE (PS3.4 Annex B): what is acknowledged is kept, and nothing else is acknowledged."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, EncapsulatedPDFStorage, JPEGLosslessSV1, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from contouring.provenance import IMPLEMENTATION_UID
from tests.hostile.crafted_dicom import UIDS, find_dataset, nest, write_ct
from tests.judges import find_program
from tests.service.dimse.peers import CT, MR, RunningNode, read_object
from workers.arrivals import Arrival, ArrivalState
from workers.content_hash import ContentHash
from workers.sources import Source, SourceKind

PRIVATE_CLASS = "1.3.6.1.4.1.99999.1.2.3"


def find_arrival(node: RunningNode, file: Path) -> Arrival:
    """What the node recorded of the series that a file belongs to."""
    uid = pydicom.dcmread(file).SeriesInstanceUID
    (found,) = [one for one in node.list_arrivals() if one.series_instance_uid == uid]
    return found


def test_the_node_answers_an_echo(node: RunningNode) -> None:
    """The first thing that everybody tries."""
    assert node.run("echoscu").returncode == 0


def test_a_series_that_is_sent_is_kept_and_recorded(node: RunningNode, series: list[Path]) -> None:
    """With its data sets as they were sent, under a meta group of ours."""
    node.store(*series)

    kept = node.find_kept()
    for file in series:
        sent = pydicom.dcmread(file)
        received = pydicom.dcmread(kept[sent.SOPInstanceUID])
        assert received == sent
        assert received.preamble == bytes(128)
        assert received.file_meta.ImplementationClassUID == IMPLEMENTATION_UID
        assert "SourceApplicationEntityTitle" not in received.file_meta
    arrival = find_arrival(node, series[0])
    assert arrival.state is ArrivalState.RECEIVING
    assert (arrival.received, arrival.has_ended) == (len(series), True)
    expected = Source(
        "dimse STORESCU 127.0.0.1", SourceKind.DIMSE, "STORESCU", "OARLOCK", "127.0.0.1"
    )
    assert arrival.source == expected
    node.wait_until_nothing_is_staged()


def test_an_object_has_the_same_checksum_whichever_way_it_comes(
    node: RunningNode, series: list[Path]
) -> None:
    """A PACS may send it by C-STORE today and by STOW-RS tomorrow: it is the same object."""
    node.store(series[0])

    taken = ContentHash()
    taken.update(series[0].read_bytes())

    assert (node.data / "instances" / f"{taken.hexdigest()}.dcm").is_file()


def test_the_same_object_of_two_senders_is_kept_once(node: RunningNode, series: list[Path]) -> None:
    """And each sender hears that it is stored."""
    before = len(list((node.data / "instances").iterdir()))

    for title in ("ONE", "TWO", "ONE"):
        sent = node.run("storescu", "--aetitle", title, series[0])
        assert sent.returncode == 0, sent.stderr

    assert len(list((node.data / "instances").iterdir())) == before + 1


@pytest.mark.parametrize(
    "sop_class", [MR, PRIVATE_CLASS], ids=["another modality", "a private class"]
)
def test_what_is_no_ct_is_acknowledged_and_not_kept(
    node: RunningNode, series: list[Path], sop_class: str
) -> None:
    """A router that sends a whole study must not stop at its first scout or report."""
    other = read_object(
        series[0], SOPClassUID=sop_class, Modality="MR", SOPInstanceUID=generate_uid()
    )
    association = node.associate(sop_class)

    status = association.send_c_store(other).Status

    association.release()
    assert status == 0
    assert other.SOPInstanceUID not in node.find_kept()
    assert find_arrival(node, series[0]).state is ArrivalState.IGNORED
    node.wait_until_nothing_is_staged()


@pytest.mark.parametrize(
    ("sop_class", "status"), [(EncapsulatedPDFStorage, 0x0000), (CT, 0xC000)], ids=["other", "CT"]
)
def test_an_object_over_a_limit_is_acknowledged_where_it_is_no_ct(
    node: RunningNode, series: list[Path], sop_class: str, status: int
) -> None:
    """It would not be kept anyway; a slice is refused, and what comes after either is stored."""
    deep = pydicom.dcmread(BytesIO(write_ct(nest(33), sop_class=sop_class)))
    association = node.associate(sop_class, CT)

    first = association.send_c_store(deep).Status
    second = association.send_c_store(pydicom.dcmread(series[0])).Status

    association.release()
    assert (first, second) == (status, 0)
    assert deep.SOPInstanceUID not in node.find_kept()
    node.wait_until_nothing_is_staged()


def test_an_object_over_a_limit_is_what_its_sender_says(node: RunningNode) -> None:
    """A slice of which the data set says something else is not acknowledged."""
    content = find_dataset(write_ct(nest(33), sop_class=EncapsulatedPDFStorage))
    command = C_STORE()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = CT, UIDS[0]

    status = send_raw(node.associate(CT), command, content)

    assert status == 0xC000


def test_compressed_slices_are_kept_as_they_are(
    node: RunningNode, series: list[Path], tmp_path: Path
) -> None:
    """In the transfer syntax that their sender has them in."""
    compressed = tmp_path / "compressed.dcm"
    subprocess.run([find_program("dcmcjpeg"), series[0], compressed], check=True)

    sent = node.run("dcmsend", compressed)

    assert sent.returncode == 0, sent.stderr
    uid = pydicom.dcmread(series[0]).SOPInstanceUID
    kept = pydicom.dcmread(node.find_kept()[uid])
    assert kept.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    assert kept.PixelData == pydicom.dcmread(compressed).PixelData


def test_a_transfer_syntax_that_nobody_knows_is_kept_too(
    node: RunningNode, series: list[Path]
) -> None:
    """Makers have their own, and what they are sent for is theirs to say."""
    entity = AE("TESTER")
    private = UID("1.3.6.1.4.1.99999.4.5")
    entity.add_requested_context(CT, private)
    association = entity.associate("127.0.0.1", node.port, ae_title="OARLOCK")
    dataset = pydicom.dcmread(series[0])
    command = C_STORE()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID

    status = send_raw(association, command, encode(dataset, False, True))

    assert status == 0
    kept = pydicom.dcmread(node.find_kept()[dataset.SOPInstanceUID])
    assert kept.file_meta.TransferSyntaxUID == private


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("SOPInstanceUID", "1.2.3.4"), ("SOPClassUID", MR)],
)
def test_an_object_that_is_not_what_its_command_says_is_refused(
    node: RunningNode, series: list[Path], keyword: str, value: str
) -> None:
    """0xA900: the data set does not match."""
    dataset = pydicom.dcmread(series[0])
    command = C_STORE()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID
    setattr(dataset, keyword, value)

    status = send_raw(node.associate(CT), command, encode(dataset, False, True))

    assert status == 0xA900
    assert node.find_kept().keys().isdisjoint({"1.2.3.4", command.AffectedSOPInstanceUID})


@pytest.mark.parametrize(
    "content",
    [b"\x08\x00", b"no data set at all", b"\x08\x00\x18\x00UI\xff\xff1.2", bytes(100_000)],
    ids=["two bytes", "words", "a broken element", "zeros"],
)
def test_bytes_that_are_no_object_are_refused(node: RunningNode, content: bytes) -> None:
    """0xC000: cannot understand."""
    command = C_STORE()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = CT, "1.2.3.5"

    status = send_raw(node.associate(CT), command, content)

    assert status == 0xC000
    assert "1.2.3.5" not in node.find_kept()
    node.wait_until_nothing_is_staged()


def send_raw(association: Association, command: C_STORE, content: bytes | None) -> int:
    """The status of a C-STORE that pynetdicom would not send by itself."""
    command.MessageID, command.Priority = 1, 2
    command.DataSet = BytesIO(content or b"")
    context = association.accepted_contexts[0]
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(command, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    association.release()
    return int(answer.Status)
