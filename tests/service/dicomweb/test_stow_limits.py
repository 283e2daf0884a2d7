"""STOW-RS at its limits: too much, too little room, and connections that end too early."""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy.exc import OperationalError

from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import SeriesHeader
from service.app import create_app
from tests.hostile.crafted_dicom import nest, write_ct
from tests.keys import KEY, SHOWN
from tests.phantoms import SMALL_SCAN, write_small_series
from tests.service.answers import change_dataset, expect_problem
from tests.service.conftest import MEBIBYTE, Server, run_ready_server
from tests.service.dicomweb.arrivals import count_received, read_uid, wait_for
from tests.service.dicomweb.bodies import (
    BOUNDARY,
    MULTIPART,
    in_pieces,
    join_parts,
    list_failed,
    list_stored,
    store,
)
from tests.service.dicomweb.peers import QUICK, connect
from tests.workers.processes import wait_until
from workers.arrival_store import ArrivalStore
from workers.instance_files import InstanceFiles
from workers.redis_server import RedisServer
from workers.settings import Settings

OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000
HEADERS = {"Content-Type": MULTIPART}


def count_kept(data: Path) -> int:
    """Files of objects."""
    return len(list((data / "instances").iterdir()))


def repeat(content: bytes, times: int) -> Iterator[bytes]:
    """A body of so many different objects, of unannounced length."""
    uid = read_uid(content).encode()
    for number in range(times):
        own = b"%0*d" % (len(uid), number + 1)
        yield join_parts(content.replace(uid, b"1." + own[2:])).removesuffix(
            b"--" + BOUNDARY.encode() + b"--\r\n"
        )
    yield f"--{BOUNDARY}--".encode()


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_request_that_is_too_large(
    sender: httpx.Client, slices: list[bytes], is_announced: bool
) -> None:
    """413, whether its length is announced or not; and the next request is answered."""
    body = join_parts(slices[0] + bytes(64 * MEBIBYTE))

    answer = sender.post(
        "/dicom-web/studies", content=body if is_announced else iter([body]), headers=HEADERS
    )

    expect_problem(answer, 413, "upload-too-large", str(64 * MEBIBYTE))
    assert store(sender, slices[0]).status_code == 200


def test_an_object_over_a_limit_fails_alone(sender: httpx.Client, slices: list[bytes]) -> None:
    """Whatever it is: the answer has a status of each object, and the others are stored."""
    report = write_ct(nest(33), sop_class=EncapsulatedPDFStorage)

    answer = store(sender, *slices, report)

    assert answer.status_code == 202
    assert set(list_stored(answer)) == {read_uid(one) for one in slices}
    assert answer.json()["0008119A"]["Value"] == [
        {"00081197": {"vr": "US", "Value": [CANNOT_UNDERSTAND]}}
    ]
    assert "nested deeper than 32" in answer.headers["Warning"]


def test_too_many_objects_in_one_request(sender: httpx.Client, slices: list[bytes]) -> None:
    """The limit on files is the one of uploads."""
    body = repeat(slices[0], 101)

    answer = sender.post("/dicom-web/studies", content=body, headers=HEADERS)

    expect_problem(answer, 413, "upload-too-large", "100")


@pytest.mark.parametrize(("count", "state"), [(40, "accepted"), (41, "refused")])
def test_too_many_objects_of_one_series(
    site: Server, tmp_path: Path, count: int, state: str
) -> None:
    """It is not even looked at, and no job is made of it."""
    scan = replace(SMALL_SCAN, slice_offsets_mm=even_offsets(count, 2.5))
    header = SeriesHeader(seed=f"long {count}")
    files = [file.read_bytes() for file in write_small_series(tmp_path, scan, header=header)]
    with connect(site, QUICK) as http:
        assert store(http, *files).status_code == 200

        arrival = wait_for(http, files[0], state, count)

    assert (arrival["fault"] == "upload-too-large") == (state == "refused")


def test_a_sender_that_breaks_off_leaves_nothing(
    site: Server, sender: httpx.Client, slices: list[bytes]
) -> None:
    """What is not acknowledged is not there, and the log has no traceback of it."""
    before = count_kept(site.data)
    body = join_parts(*slices)
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n"
        f"Content-Type: {MULTIPART}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(
        ("127.0.0.1", int(site.url.rpartition(":")[2])), source_address=("127.0.0.2", 0)
    ) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
        wait_until(lambda: bool(list((site.data / "staging").iterdir())), "the request to begin")

    wait_until(lambda: not list((site.data / "staging").iterdir()), "the request to be forgotten")
    assert count_kept(site.data) == before
    assert count_received(sender, slices[0]) == []
    assert "Traceback" not in (site.data.parent / "server.log").read_text()


def add_pixels(dataset: Dataset) -> None:
    """More than anything declares, which nobody looks at before the series is judged."""
    dataset.PixelData = bytes(100 * MEBIBYTE)


def test_memory_does_not_grow_with_the_request(tmp_path: Path) -> None:
    """Neither with many objects nor with a large one."""
    scan = Scan(
        rows=512,
        columns=512,
        row_spacing_mm=1.0,
        column_spacing_mm=1.0,
        slice_offsets_mm=even_offsets(1, 2.5),
    )
    (file,) = write_small_series(tmp_path / "ct", scan)
    large = change_dataset(file.read_bytes(), add_pixels)
    with run_ready_server(tmp_path, {}) as server:
        store(server.http, file.read_bytes())
        before = read_resident_bytes(server.process_id)

        many = server.http.post(
            "/dicom-web/studies", content=repeat(file.read_bytes(), 200), headers=HEADERS
        )
        one = server.http.post(
            "/dicom-web/studies", content=in_pieces(join_parts(large), MEBIBYTE), headers=HEADERS
        )

        grown = read_resident_bytes(server.process_id) - before
    assert (many.status_code, len(list_stored(many))) == (200, 200)
    assert one.status_code == 200
    assert grown < 50 * MEBIBYTE


def read_resident_bytes(process_id: int) -> int:
    """The most memory that a process has had since it started."""
    (line,) = [
        line
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) * 1024


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A client of a server in this process, which keeps 100 MiB free."""
    data = tmp_path / "data"
    data.mkdir()
    url = RedisServer(tmp_path / "redis").url
    settings = Settings(data=data, redis_url=url, reserve_bytes=100 * MEBIBYTE)
    with TestClient(create_app(settings), raise_server_exceptions=False, headers=SHOWN) as client:
        yield client


def leave_free(monkeypatch: pytest.MonkeyPatch, read_free: Callable[[], int]) -> None:
    """The disk has so many bytes left."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=read_free()))


def test_a_disk_that_is_nearly_full_takes_nothing(
    client: TestClient, slices: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes again as soon as there is room."""
    leave_free(monkeypatch, lambda: 99 * MEBIBYTE)
    refused = store(client, *slices)
    leave_free(monkeypatch, lambda: 200 * MEBIBYTE)
    taken = store(client, *slices)

    expect_problem(refused, 507, "storage-full", "99 MiB left")
    assert taken.status_code == 200


def test_a_disk_that_fills_while_objects_come(
    client: TestClient, slices: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sender did not announce how much it has."""
    looks = iter([200 * MEBIBYTE] * 5)
    leave_free(monkeypatch, lambda: next(looks, 0))

    answer = client.post("/dicom-web/studies", content=iter([join_parts(*slices)]), headers=HEADERS)

    expect_problem(answer, 507, "storage-full")
    assert client.get("/v1/arrivals").json()["arrivals"] == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, OUT_OF_RESOURCES), (errno.EDQUOT, OUT_OF_RESOURCES), (errno.EIO, 0x0110)],
)
def test_objects_that_the_disk_does_not_take_are_named(
    client: TestClient,
    slices: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    reason: int,
) -> None:
    """As C-STORE would say it (PS3.4 B.2.3); none is acknowledged."""

    def fail(*_: object) -> None:
        raise OSError(number, "the disk says so")

    monkeypatch.setattr(InstanceFiles, "keep", fail)

    answer = store(client, *slices[:2])

    assert answer.status_code == 409
    assert list_failed(answer) == [(read_uid(one), reason) for one in slices[:2]]
    assert client.get("/v1/arrivals").json()["arrivals"] == []


def test_a_disk_that_fails_while_objects_are_written(
    client: TestClient, slices: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is known which object it is."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "the disk says so")

    monkeypatch.setattr("service.staged_files.StagedFileWriter.write", fail)

    expect_problem(store(client, *slices[:2]), 507, "storage-full", "nothing of this was stored")


def test_a_database_that_cannot_write_is_told(
    client: TestClient, slices: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files lie on the disk, but nobody knows of them: it is no success."""

    def fail(*_: object) -> None:
        raise OperationalError("INSERT", {}, OSError("disk I/O error"))

    monkeypatch.setattr(ArrivalStore, "note", fail)

    expect_problem(store(client, *slices[:2]), 503, "database-unreachable", "Try again")
