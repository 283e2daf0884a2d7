"""Clients that say little are closed, and keep nobody else waiting."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hostile.slow_clients import asking_health, find_p95, run_slow_clients
from tests.keys import KEY
from tests.service.conftest import Server, run_ready_server
from tests.workers.processes import wait_until

COUNT = 64
PATIENCE_SECONDS = 120.0  # for what takes 5 on a quiet machine
HEALTH_SECONDS = 5.0  # tens of milliseconds there
CONNECTIONS = 100
IDLE_SECONDS = 6.0


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of little patience."""
    environment = {
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_HTTP_HEAD_SECONDS": "2",
        "OARLOCK_HTTP_IDLE_SECONDS": "3",
        "OARLOCK_HTTP_RATE_SECONDS": "3",
        "OARLOCK_HTTP_CONNECTIONS": str(CONNECTIONS),
        "OARLOCK_HTTP_HEAD_BYTES": "4096",
    }
    with run_ready_server(tmp_path_factory.mktemp("hasty"), environment) as server:
        yield server


@pytest.fixture
def connection(hasty: Server) -> Iterator[socket.socket]:
    """To it."""
    with connect(hasty) as opened:
        yield opened


def connect(server: Server) -> socket.socket:
    """A connection to a server."""
    opened = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
    opened.settimeout(PATIENCE_SECONDS)
    return opened


def read_to_end(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """Status and body of the last answer, once the server has closed the connection."""
    content = b""
    while piece := connection.recv(65536):
        content += piece
    head, _, body = content.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    return int(head.split()[0]), json.loads(body)


def is_over(connection: socket.socket) -> bool:
    """Whether the server has closed it; what it said before is forgotten."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            continue
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return True


def test_slow_clients_are_closed_and_others_are_answered(hasty: Server) -> None:
    """Half-open and trickling ones, in headers and in bodies, all at once."""
    port = int(hasty.url.rpartition(":")[2])

    with asking_health(hasty.url) as taken:
        closed = asyncio.run(run_slow_clients(port, COUNT, PATIENCE_SECONDS))

    assert len(closed) == COUNT
    assert None not in closed
    assert find_p95(taken) < HEALTH_SECONDS
    assert "Traceback" not in (hasty.data.parent / "server.log").read_text()


def test_a_client_is_told_why_it_is_closed(connection: socket.socket) -> None:
    """A sender behind a slow line can do something about it."""
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")

    status, problem = read_to_end(connection)

    assert status == 408
    assert problem["type"] == "urn:oarlock:problem:request-timeout"
    assert "headers do not end" in str(problem["detail"])


def test_a_body_that_breaks_off_leaves_nothing(hasty: Server, connection: socket.socket) -> None:
    """What was staged of it goes with it."""
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\nX-API-Key: "
        + KEY.encode()
        + b"\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc'
    )

    status, problem = read_to_end(connection)

    assert (status, problem["status"]) == (408, 408)
    wait_until(lambda: not list((hasty.data / "staging").iterdir()), "staging to be empty")


@pytest.mark.parametrize(("length", "status"), [(4096, 200), (4097, 431)])
@pytest.mark.parametrize("pieces", [1, 3])
def test_headers_have_a_length(hasty: Server, length: int, status: int, pieces: int) -> None:
    """At its edge, however the network cuts them."""
    start = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: "
    request = start + b"a" * (length - len(start) - 4) + b"\r\n\r\n"
    size = -(-len(request) // pieces)
    with connect(hasty) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin in range(0, len(request), size):
            connection.sendall(request[begin : begin + size])

        found, _ = read_to_end(connection)

    assert found == status


def test_an_answer_that_nobody_reads_ends(hasty: Server, connection: socket.socket) -> None:
    """Requests are sent and no answer is read, until the server keeps no more of them."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(1.0)
    # A long answer, made once.
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"

    def is_closed() -> bool:
        try:
            connection.sendall(200 * request)
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return False

    wait_until(is_closed, "the server to close it", 300.0)
    assert hasty.http.get("/health/ready").status_code == 200


def test_an_answer_that_is_read_slowly_goes_on(tmp_path: Path) -> None:
    """A kernel holds megabytes of it, and takes more only when much of them has left."""
    environment = {"OARLOCK_RESERVE_BYTES": "0", "OARLOCK_HTTP_IDLE_SECONDS": str(IDLE_SECONDS)}
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-API-Key: " + KEY.encode() + b"\r\n\r\n"
    with run_ready_server(tmp_path, environment) as server, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        connection.settimeout(1.0)
        with suppress(TimeoutError):  # once the server takes no more of them
            while True:
                connection.sendall(200 * request)
        begun = time.monotonic()
        while time.monotonic() - begun < 2 * IDLE_SECONDS:
            assert connection.recv(4096)
            time.sleep(0.1)

        assert "does not read" not in (server.data.parent / "server.log").read_text()


def test_an_upload_may_take_longer_than_other_requests(tmp_path: Path) -> None:
    """At the least rate a large series takes hours; one that is no upload has an end."""
    environment = {
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_HTTP_REQUEST_SECONDS": "2",
        "OARLOCK_HTTP_IDLE_SECONDS": "600",
        "OARLOCK_HTTP_RATE_SECONDS": "600",
    }
    with (
        run_ready_server(tmp_path, environment) as server,
        connect(server) as upload,
        connect(server) as other,
    ):
        for connection, path in ((upload, b"/v1/jobs"), (other, b"/v1/keys")):
            connection.sendall(
                b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n"
                b"X-API-Key: " + KEY.encode() + b"\r\nContent-Type: multipart/form-data; "
                b'boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="files"; '
                b'filename="a"\r\n\r\nabc'
            )
        wait_until(lambda: is_over(other), "the other one to be closed")

        assert not is_over(upload)


def test_half_open_connections_make_way(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With all connections taken, others are still answered: the longest waiting one goes."""
    environment = {
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_HTTP_CONNECTIONS": "10",
        "OARLOCK_HTTP_HEAD_SECONDS": "600",
    }
    with run_ready_server(tmp_path_factory.mktemp("full"), environment) as server:
        held = [connect(server) for _ in range(30)]
        for one in held:
            one.sendall(b"GET /")

        wait_until(lambda: is_over(held[0]), "the first one to be closed")
        answer = server.http.get("/health/ready")
        left = [one for one in held if not is_over(one)]
        for one in held:
            one.close()

    assert answer.status_code == 200
    assert 0 < len(left) <= 10
