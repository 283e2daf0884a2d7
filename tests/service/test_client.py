"""The client of `oarlock submit`, against a server that misbehaves."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from contouring.phantom_series import SeriesHeader
from service.client import Client
from tests.cli.shell import run
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.service.conftest import Server


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


def test_a_key_comes_from_a_file_or_from_the_environment(server: Server, tmp_path: Path) -> None:
    """Never from the command line, which all users of a machine may read."""
    write_small_series(tmp_path / "ct", header=SeriesHeader(seed="key file"))
    (tmp_path / "key").write_text(f"{KEY}\n")
    submit = ("submit", tmp_path / "ct", "--url", server.url, "--model", "commissioning")
    submit = (*submit, "--output", tmp_path / "out")

    without = run(*submit, OARLOCK_KEY="")
    by_file = run(*submit, "--key-file", tmp_path / "key", OARLOCK_KEY="")

    assert (without.returncode, "oarlock keys create" in without.stderr) == (2, True)
    assert by_file.returncode == 0, by_file.stderr
