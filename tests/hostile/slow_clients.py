"""Half-open and trickling connections, all at once, and how long others then wait for an answer.

    python -m tests.hostile.slow_clients

holds 500 of them against a server with its default limits, for most of a minute.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.keys import KEY
from tests.service.conftest import run_ready_server

HEAD = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: oarlock\r\nX-API-Key: " + KEY.encode() + b"\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n"
)
BODY = HEAD + b"Content-Length: 100000000\r\n\r\n--b\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n--b\r\n\r\n"
PART = b'Content-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
TRICKLE_SECONDS = 0.5
ASK_SECONDS = 0.05


@dataclass(frozen=True)
class SlowClient:
    """What a client sends at once, and what it goes on to send, again and again."""

    name: str
    first: bytes
    more: bytes = b""


CLIENTS = (
    SlowClient("silent", b""),
    SlowClient("half a request line", b"GET /health/li"),
    SlowClient("half the headers", HEAD),
    SlowClient("trickling headers", HEAD, b"X-More: x\r\n"),
    SlowClient("half a body", BODY + PART),
    SlowClient("trickling body", BODY + PART, b"x"),
    SlowClient("trickling chunks", CHUNKED, b"1\r\nx\r\n"),
    SlowClient("half of a second request", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /he"),
)


async def run_slow_clients(port: int, count: int, seconds: float) -> list[float | None]:
    """Seconds after which each of `count` was closed; None where one was not within `seconds`."""
    clients = [CLIENTS[number % len(CLIENTS)] for number in range(count)]
    return list(await asyncio.gather(*(_hold(port, client, seconds) for client in clients)))


async def _hold(port: int, client: SlowClient, seconds: float) -> float | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.monotonic()
    trickling = asyncio.create_task(_trickle(writer, client))
    try:
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while await reader.read(65536):
                    continue
        return time.monotonic() - begun
    except TimeoutError:
        return None
    finally:
        trickling.cancel()
        writer.close()


async def _trickle(writer: asyncio.StreamWriter, client: SlowClient) -> None:
    with suppress(ConnectionError):
        writer.write(client.first)
        while client.more:
            await asyncio.sleep(TRICKLE_SECONDS)
            writer.write(client.more)
            await writer.drain()


@contextmanager
def asking_health(url: str) -> Iterator[list[float]]:
    """Seconds that each answer of /health/ready took within the block; all must be well."""
    taken: list[float] = []
    faults: list[str] = []
    stopping = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            while not stopping.wait(ASK_SECONDS):
                begun = time.monotonic()
                answer = http.get("/health/ready")
                taken.append(time.monotonic() - begun)
                if answer.status_code != 200:
                    faults.append(answer.text)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield taken
    finally:
        stopping.set()
        asking.join()
    assert faults == []
    assert taken


def find_p95(seconds: list[float]) -> float:
    """Of so many at least that it means something."""
    return statistics.quantiles(seconds, n=20)[-1]


def main(count: int = 500) -> None:
    """Hold them against a server of its own, and tell the figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        run_ready_server(Path(folder), {"OARLOCK_RESERVE_BYTES": "0"}) as server,
        asking_health(server.url) as taken,
    ):
        port = int(server.url.rpartition(":")[2])
        closed = asyncio.run(run_slow_clients(port, count, 60.0))
    left = sum(one is None for one in closed)
    sys.stdout.write(f"{count} connections, {left} still open after 60 s\n")
    for number, client in enumerate(CLIENTS):
        own = [one for one in closed[number :: len(CLIENTS)] if one is not None]
        sys.stdout.write(f"{client.name}: closed after {min(own):.1f} to {max(own):.1f} s\n")
    sys.stdout.write(
        f"/health/ready meanwhile, {len(taken)} answers: median {statistics.median(taken):.4f} s, "
        f"p95 {find_p95(taken):.4f} s, longest {max(taken):.4f} s\n"
    )


if __name__ == "__main__":
    main()
