"""A syslog collector of the tests' own: it reads frames until the sender has closed its side."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class SyslogServer:
    """`messages`: in the order in which they came; `dies_after`: bytes, then it is gone."""

    port: int
    messages: list[bytes] = field(default_factory=list)
    dies_after: int | None = None
    stays_open: bool = False


@contextmanager
def run_syslog_server(
    tls: ssl.SSLContext | None = None, port: int = 0, **ways: object
) -> Iterator[SyslogServer]:
    """Listens on this machine until the block ends."""
    listener = socket.create_server(("127.0.0.1", port))
    server = SyslogServer(listener.getsockname()[1], **ways)  # type: ignore[arg-type]
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                _answer(server, connection, tls, stopping)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _answer(
    server: SyslogServer,
    plain: socket.socket,
    tls: ssl.SSLContext | None,
    stopping: threading.Event,
) -> None:
    plain.settimeout(60)
    connection = plain if tls is None else tls.wrap_socket(plain, server_side=True)
    received = bytearray()
    with connection:
        while piece := connection.recv(4096):
            received += piece
            if server.dies_after is not None and len(received) > server.dies_after:
                # As if the machine were gone: what it had read is lost, and nothing is answered.
                _reset(connection)
                return
        server.messages += _split(bytes(received))
        if server.stays_open:
            stopping.wait(60)
        if isinstance(connection, ssl.SSLSocket):
            connection.unwrap()


def _reset(connection: socket.socket) -> None:
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _split(frames: bytes) -> list[bytes]:
    """The messages of RFC 5425's frames; a frame that is not whole is an error."""
    messages = []
    while frames:
        length, _, rest = frames.partition(b" ")
        message, frames = rest[: int(length)], rest[int(length) :]
        assert len(message) == int(length)
        messages.append(message)
    return messages
