"""The client of `oarlock submit`, against a server that misbehaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from service.client import Client


class _BrokenStream(BaseHTTPRequestHandler):
    """Breaks off after the first event, and tells the end when it is asked again."""

    states: Iterator[str] = iter(())

    def do_GET(self) -> None:
        """One event; the body is always shorter than it claims."""
        event = f"event: job\r\ndata: {json.dumps({'state': next(self.states)})}\r\n\r\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(event) + 1))
        self.end_headers()
        self.wfile.write(event)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""


@pytest.fixture
def address() -> Iterator[str]:
    """Where the server is."""
    _BrokenStream.states = iter(("running", "done"))
    with HTTPServer(("127.0.0.1", 0), _BrokenStream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_stream_that_breaks_off_is_opened_again(address: str) -> None:
    """A proxy ends long answers; the job goes on and so does whoever waits for it."""
    with Client(address) as client:
        seen = [job["state"] for job in client.follow("any")]

    assert seen == ["running", "done"]
