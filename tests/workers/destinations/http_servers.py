"""Small real HTTP servers that answer what they are told to, and remember what they were asked."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.judges import find_program
from workers.destinations.addresses import AddressGuard
from workers.destinations.http_peer import HttpPeer

LOCAL = AddressGuard(allows_local=True)


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class HttpServer:
    """A running server: answers with `replies` in their order, the last of them again and again."""

    url: str
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    asked: list[Asked] = field(default_factory=list)

    @property
    def peer(self) -> HttpPeer:
        """The server as a destination knows it."""
        return HttpPeer(self.url, LOCAL, timeout_seconds=20.0)

    def answer(self, *replies: Reply) -> None:
        """What to answer from now on."""
        self.replies[:] = replies


@contextmanager
def run_http_server(
    host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[HttpServer]:
    """A server until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            running.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            reply = running.replies.pop(0) if len(running.replies) > 1 else running.replies[0]
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_OPTIONS = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((host, port), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    running = HttpServer(f"{scheme}://{host}:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Keys:
    """A certificate that signed itself, and its key."""

    certificate: Path
    key: Path


def make_keys(folder: Path, name: str) -> Keys:
    """Keys for a name."""
    keys = Keys(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        [
            find_program("openssl"),
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-out", keys.certificate, "-keyout", keys.key),
        ],
        check=True,
        capture_output=True,
    )
    return keys
