"""Encrypted structure sets on their way out: plain in memory alone, and byte for byte."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contouring.tiny_structure_sets import PAROTID, written
from tests.dicom_peers import run_storescp
from tests.end_to_end.test_dicom_peers import without_header
from tests.workers.destinations.http_servers import Reply, run_http_server
from tests.workers.destinations.test_cstore import find_received, receiver_at
from tests.workers.encryption.conftest import Safe
from workers.destinations.folder import FolderReceiver
from workers.destinations.parcels import opening_parcel
from workers.destinations.stow import StowReceiver
from workers.result_store import ResultStore

NAME = "generic.rtstruct.dcm"


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """A small structure set."""
    return written(tmp_path / "of", PAROTID)[0]


@pytest.fixture
def file(safe: Safe, content: bytes) -> Path:
    """The same as a job has left it."""
    store = ResultStore(safe.data)
    return store.find_file(store.keep("job", 1, {NAME: content}, "1.2.3").folder, NAME)


def test_a_node_a_server_and_a_folder_get_what_was_written(
    file: Path, content: bytes, tmp_path: Path
) -> None:
    """Through senders that know of files and paths alone."""
    (tmp_path / "folder").mkdir()
    plain = tmp_path / "plain.dcm"
    plain.write_bytes(content)

    with (
        opening_parcel(file, "0ddba11", "generic") as parcel,
        run_storescp(tmp_path / "scp", "+xi") as storescp,
        run_http_server() as server,
    ):
        server.answer(Reply(200), Reply(200, parcel.sop_instance_uid.encode()))
        receiver_at(storescp.port).send(parcel)
        StowReceiver(server.peer).send(parcel)
        FolderReceiver(tmp_path / "folder").send(parcel)
        again = FolderReceiver(tmp_path / "folder").send(parcel)
        stored = without_header(find_received(storescp, parcel))

    (copied,) = (tmp_path / "folder").iterdir()
    assert stored == without_header(plain)
    assert content in server.asked[0].body
    assert copied.read_bytes() == content
    assert again == "it was there already."
    assert file.read_bytes()[128:132] != b"DICM"


def test_the_copy_has_no_name_and_is_gone_afterwards(file: Path, content: bytes) -> None:
    """Nothing is left of it, however its process ends."""
    with opening_parcel(file, "0ddba11", "generic") as parcel:
        where = os.readlink(parcel.file)
        seen = parcel.file.read_bytes()

    assert where.startswith("/memfd:")
    assert seen == content
    assert not parcel.file.exists() or os.readlink(parcel.file) != where


def test_a_plain_one_is_sent_from_where_it_lies(tmp_path: Path, content: bytes) -> None:
    """No copy is made of what needs none."""
    path = tmp_path / NAME
    path.write_bytes(content)

    with opening_parcel(path, "0ddba11", "generic") as parcel:
        assert parcel.file == path
