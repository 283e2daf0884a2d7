"""A structure set stored by C-STORE: by a real archive, DCMTK's receiver, and odd nodes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import RTStructureSetStorage, Verification

from contouring.errors import DeliveryError
from tests.dicom_peers import StoreScp, run_orthanc, run_storescp
from tests.end_to_end.test_dicom_peers import without_header
from tests.workers.destinations.http_servers import LOCAL, make_keys
from tests.workers.processes import find_free_port, wait_until
from workers.destinations.addresses import AddressGuard
from workers.destinations.certificates import Certificates
from workers.destinations.cstore import CStoreReceiver
from workers.destinations.parcels import Parcel

P_DATA_TF = 4  # PDU type that carries a message (PS3.8 9.3.5)


def receiver_at(port: int, called_ae: str = "TPS") -> CStoreReceiver:
    """A node on this machine as a destination."""
    return CStoreReceiver("127.0.0.1", port, called_ae, "OARLOCK", LOCAL, timeout_seconds=10.0)


@contextmanager
def run_node(status: int = 0, *, aborts: bool = False, **more: bool) -> Iterator[CStoreReceiver]:
    """A node that answers each C-STORE with a status, or breaks off; `more`: whom it accepts."""
    node = AE(ae_title="TPS")
    node.require_called_aet = more.get("knows_its_name", False)
    node.add_supported_context(Verification)
    if more.get("takes_structure_sets", True):
        node.add_supported_context(RTStructureSetStorage, ExplicitVRLittleEndian)

    def answer(event: evt.Event) -> int:
        if aborts:
            event.assoc.abort()
        return status

    port = find_free_port()
    server = node.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)]
    )
    try:
        yield receiver_at(port)
    finally:
        server.shutdown()


def find_received(storescp: StoreScp, parcel: Parcel) -> Path:
    """The file that arrived, once the receiver has closed it."""
    wait_until(lambda: len(list(storescp.folder.iterdir())) == 1, "the file")
    (arrived,) = storescp.folder.iterdir()
    size = parcel.file.stat().st_size
    wait_until(lambda: arrived.stat().st_size > size * 0.9, "the whole file")
    return arrived


def test_orthanc_has_it_once_however_often_it_is_sent(parcel: Parcel, tmp_path: Path) -> None:
    """With the same SOP Instance UID."""
    with run_orthanc(tmp_path / "orthanc") as orthanc:
        receiver = receiver_at(orthanc.dicom_port, "ORTHANC")

        notes = [receiver.send(parcel) for _ in range(2)]

        assert notes == ["", ""]
        assert receiver.probe() == "it answered C-ECHO."
        assert orthanc.list_instances() == [parcel.sop_instance_uid]


def test_a_node_that_takes_implicit_vr_gets_the_same_bytes(parcel: Parcel, tmp_path: Path) -> None:
    """Behind the file's own header, which each program writes anew."""
    with run_storescp(tmp_path / "scp", "+xi") as storescp:
        receiver_at(storescp.port).send(parcel)

        arrived = find_received(storescp, parcel)

        assert without_header(arrived) == without_header(parcel.file)


def test_a_node_that_takes_explicit_vr_alone_gets_the_same_dataset(
    parcel: Parcel, tmp_path: Path
) -> None:
    """What the file holds in implicit VR is written anew."""
    with run_node() as receiver:
        note = receiver.send(parcel)
    with run_storescp(tmp_path / "scp", "+xe") as storescp:
        receiver_at(storescp.port).send(parcel)

        arrived = dcmread(find_received(storescp, parcel))

    ours = dcmread(parcel.file)
    assert note == ""
    assert ours.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert arrived == ours


@pytest.mark.parametrize("verifies", [True, False])
def test_tls_is_spoken_with_certificates_of_both_sides(
    parcel: Parcel, tmp_path: Path, verifies: bool
) -> None:
    """DCMTK's receiver wants one of us; its own is verified, unless the file says otherwise."""
    node, ours = make_keys(tmp_path, "tps.example"), make_keys(tmp_path, "oarlock.example")
    guard = AddressGuard(allows_local=True, resolve=lambda _host, _port: ["127.0.0.1"])
    certificates = Certificates(
        node.certificate if verifies else None, ours.certificate, ours.key, verifies=verifies
    )
    host = "tps.example" if verifies else "other.example"
    options = ("+tls", node.key, node.certificate, "+cf", ours.certificate)
    with run_storescp(tmp_path / "scp", *options) as storescp:
        receiver = CStoreReceiver(host, storescp.port, "TPS", "OARLOCK", guard, 10.0, certificates)

        note = receiver.send(parcel)

        assert note == ""
        assert dcmread(find_received(storescp, parcel)) == dcmread(parcel.file)


def test_a_certificate_of_another_name_is_not_spoken_to(parcel: Parcel, tmp_path: Path) -> None:
    """Whoever answers at the address is not who was meant."""
    node, ours = make_keys(tmp_path, "tps.example"), make_keys(tmp_path, "oarlock.example")
    guard = AddressGuard(allows_local=True, resolve=lambda _host, _port: ["127.0.0.1"])
    certificates = Certificates(node.certificate, ours.certificate, ours.key)
    options = ("+tls", node.key, node.certificate, "+cf", ours.certificate)
    with run_storescp(tmp_path / "scp", *options) as storescp:
        receiver = CStoreReceiver(
            "other.example", storescp.port, "TPS", "OARLOCK", guard, 10.0, certificates
        )

        with pytest.raises(DeliveryError, match="whether the certificates fit"):
            receiver.send(parcel)

        assert list(storescp.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (0xA700, "0xA700 .*disk full"),
        (0xA900, "0xA900 .*another patient's"),
        (0xC123, "0xC123 .*its log"),
        (0x0122, "0x0122 .*no structure sets"),
        (0x0124, "0x0124 .*not let us"),
        (0xFE00, "0xFE00"),
    ],
)
def test_a_refusal_is_told_in_words(parcel: Parcel, status: int, meaning: str) -> None:
    """And tried again: the node's administrator may mend it."""
    with run_node(status) as receiver, pytest.raises(DeliveryError, match=meaning):
        receiver.send(parcel)


@pytest.mark.parametrize(
    ("status", "note"),
    [
        (0x0000, ""),
        (0xB000, "stored with a warning: 0xB000 (it changed attributes)."),
        (0xB123, "stored with a warning: 0xB123 (a warning of its own)."),
        (0x0111, "it was there already."),
    ],
)
def test_what_was_stored_was_delivered(parcel: Parcel, status: int, note: str) -> None:
    """A warning is no reason to send it again."""
    with run_node(status) as receiver:
        assert receiver.send(parcel) == note


def test_a_node_that_breaks_off_did_not_take_it(parcel: Parcel) -> None:
    """Without an answer nobody knows."""
    with run_node(aborts=True) as receiver, pytest.raises(DeliveryError, match="broke off"):
        receiver.send(parcel)


def test_a_node_that_takes_no_structure_sets_is_told(parcel: Parcel) -> None:
    """It accepted the association, and none of what was proposed."""
    with (
        run_node(takes_structure_sets=False) as receiver,
        pytest.raises(DeliveryError, match="takes what was proposed"),
    ):
        receiver.send(parcel)


def test_a_node_that_does_not_know_its_name_is_told(parcel: Parcel) -> None:
    """The commonest fault of all."""
    with run_node(knows_its_name=True) as node:
        stranger = receiver_at(node.port, "NOBODY")

        for attempt in (lambda: stranger.send(parcel), stranger.probe):
            with pytest.raises(DeliveryError, match=r"rejected us as OARLOCK: .*Check the AE"):
                attempt()


def test_a_node_that_is_not_there_is_told(parcel: Parcel) -> None:
    """With its address and the system's word for it."""
    with pytest.raises(DeliveryError, match=r"TPS at 127\.0\.0\.1:\d+ cannot be reached \(Conn"):
        receiver_at(find_free_port()).send(parcel)


def test_a_node_that_never_answers_is_given_up(parcel: Parcel) -> None:
    """It took the connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        receiver = CStoreReceiver("127.0.0.1", port, "TPS", "OARLOCK", LOCAL, timeout_seconds=0.5)

        with pytest.raises(DeliveryError, match="no association came about"):
            receiver.send(parcel)


def test_a_node_that_stops_reading_is_given_up(parcel: Parcel) -> None:
    """Everything between us is full, nobody breaks off, and no thread of ours is left waiting."""
    dataset = dcmread(parcel.file)
    dataset.add_new(0x00091010, "OB", b"\0" * 30_000_000)
    dataset.save_as(parcel.file)
    before = set(threading.enumerate())
    reading = threading.Event()

    def stall(event: evt.Event) -> None:
        if event.data[0] == P_DATA_TF:
            reading.wait(60)

    node = AE(ae_title="TPS")
    node.add_supported_context(RTStructureSetStorage, ImplicitVRLittleEndian)
    port = find_free_port()
    handlers = [(evt.EVT_DATA_RECV, stall)]
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    receiver = CStoreReceiver("127.0.0.1", port, "TPS", "OARLOCK", LOCAL, timeout_seconds=1.0)
    try:
        with pytest.raises(DeliveryError, match="broke off or did not answer in time"):
            receiver.send(parcel)
        wait_until(lambda: not find_requestors(before), "our threads to end", 30.0)
    finally:
        reading.set()
        server.shutdown()


def find_requestors(before: set[threading.Thread]) -> list[threading.Thread]:
    """The threads of an association that we asked for; the node's have other names."""
    return [
        thread
        for thread in set(threading.enumerate()) - before
        if getattr(getattr(thread, "assoc", thread), "name", "").startswith("RequestorThread")
    ]
