"""Ends that nobody asked for: what was acknowledged is there, and nothing half is kept."""

from __future__ import annotations

import signal
import struct
import threading
import time
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from tests.service.dimse.peers import CT, RunningNode, read_object, run_node
from tests.workers.processes import wait_until
from workers.content_hash import ContentHash

OUT_OF_RESOURCES, PROCESSING_FAILURE = 0xA700, 0x0110
MEBIBYTE = 2**20


@pytest.fixture
def large(series: list[Path]) -> Dataset:
    """A slice of two mebibytes."""
    dataset = read_object(series[0])
    dataset.Rows = dataset.Columns = 1024
    noise = np.random.default_rng(1).integers(0, 2000, (1024, 1024), np.uint16)
    dataset.PixelData = noise.tobytes()
    return dataset


def store_again_and_again(node: RunningNode, dataset: Dataset, acknowledged: list[str]) -> None:
    """Send copies under UIDs of their own, until the node is gone."""
    association = node.associate()
    while association.is_established:
        uid = generate_uid()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        try:
            answer = association.send_c_store(dataset)
        except RuntimeError:
            return
        if answer.get("Status") == 0:
            acknowledged.append(uid)


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, series: list[Path]) -> None:
    """Whatever the node was doing when it was ended; what was on its way is swept later."""
    acknowledged: list[str] = []
    for round_number in range(2):
        with run_node(tmp_path) as node:
            senders = [
                threading.Thread(
                    target=store_again_and_again, args=[node, read_object(file), acknowledged]
                )
                for file in series[:3]
            ]
            for sender in senders:
                sender.start()
            wanted = 15 * (round_number + 1)
            wait_until(lambda wanted=wanted: len(acknowledged) > wanted, "some objects")
            node.process.send_signal(signal.SIGKILL)
            for sender in senders:
                sender.join()

    kept = node.find_kept()
    assert set(acknowledged) <= set(kept)
    for file in (node.data / "instances").iterdir():
        taken = ContentHash()
        taken.update(file.read_bytes())
        assert taken.hexdigest() == file.stem


def begin_object(association: Association, dataset: Dataset) -> None:
    """Send the command of a C-STORE and the first bytes of its data set."""
    command = C_STORE()
    command.AffectedSOPClassUID, command.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID
    command.MessageID, command.Priority = 1, 2
    command.DataSet = BytesIO(encode(dataset, False, True))
    message = C_STORE_RQ()
    message.primitive_to_message(command)
    context = association.accepted_contexts[0]
    for part in islice(message.encode_msg(context.context_id, 4096), 2):
        association.dul.send_pdu(part)


def test_an_object_that_breaks_off_leaves_nothing(node: RunningNode, series: list[Path]) -> None:
    """Neither in the database nor on the disk."""
    dataset = pydicom.dcmread(series[0])
    for end in ("abort", "cut"):
        association = node.associate()
        begin_object(association, dataset)
        wait_until(lambda: bool(node.list_staged()), "the first bytes")

        if end == "abort":
            association.abort()
        else:
            connection = association.dul.socket.socket
            connection.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: closed by a reset
            connection.close()

        node.wait_until_nothing_is_staged()
    assert dataset.SOPInstanceUID not in node.find_kept()


def test_objects_are_refused_before_the_disk_is_full(tmp_path: Path, series: list[Path]) -> None:
    """0xA700: a sender tries again later, or asks somebody."""
    with run_node(tmp_path, reserve_bytes=2**60) as node:
        association = node.associate()

        answer = association.send_c_store(series[0])

        association.release()
        assert answer.Status == OUT_OF_RESOURCES
        assert answer.ErrorComment
        assert (node.find_kept(), node.list_staged()) == ({}, [])


def test_a_disk_that_is_full_in_the_middle_of_an_object_is_told(
    tmp_path: Path, large: Dataset
) -> None:
    """Sixteen mebibytes of memory as a disk: all that was acknowledged is on it."""
    data = tmp_path / "data"
    data.mkdir()
    mounting = f'mount -t tmpfs -o size=16m none "{data}" && exec "$@"'
    wrapper = ("unshare", "--mount", "--map-root-user", "sh", "-c", mounting, "sh")
    with run_node(tmp_path, wrapper) as node:
        association = node.associate()
        statuses = []
        for _ in range(12):
            large.SOPInstanceUID = large.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            statuses.append(association.send_c_store(large).Status)
        association.release()

        inside = Path(f"/proc/{node.process.pid}/root") / data.relative_to("/")
        assert set(statuses) == {0, OUT_OF_RESOURCES}
        assert len(list((inside / "instances").iterdir())) == statuses.count(0)
        assert list((inside / "staging").iterdir()) == []


def test_a_disk_that_fails_is_told(tmp_path: Path, large: Dataset) -> None:
    """Here a file that may not grow so far; the association goes on."""
    wrapper = ("prlimit", f"--fsize={MEBIBYTE}")
    with run_node(tmp_path, wrapper) as node:
        association = node.associate()

        status = association.send_c_store(large).Status
        again = association.send_c_store(large).Status

        association.release()
        assert (status, again) == (PROCESSING_FAILURE, PROCESSING_FAILURE)
        assert (node.find_kept(), node.list_staged()) == ({}, [])


def test_an_association_under_way_may_finish_when_the_node_stops(
    tmp_path: Path, series: list[Path]
) -> None:
    """A new one is not begun."""
    with run_node(tmp_path) as node:
        association = node.associate()

        node.process.terminate()
        wait_until(lambda: not _is_admitted(node), "the node to listen no more")
        status = association.send_c_store(series[0]).Status
        association.release()
        ended = time.monotonic()

        assert (status, node.process.wait(20)) == (0, 0)
        assert time.monotonic() - ended < 9.0  # without waiting any longer
        assert len(node.find_kept()) == 1


def _is_admitted(node: RunningNode) -> bool:
    association = node.associate(calling_ae="ONE_MORE")
    if association.is_established:
        association.release()
    return bool(association.is_released)
