"""The audit fails on what is vulnerable, and never says that all is well when it asked nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.audit import main
from tests.workers.processes import find_free_port

ADVISORY = {
    "id": "GHSA-made-up-0000",
    "summary": "Made up.",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "vine"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@contextmanager
def advisory_service(vulnerable: str) -> Iterator[str]:
    """A server that speaks OSV's protocol and knows of one package."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = asked["package"]["name"] == vulnerable
            body = json.dumps({"vulns": [ADVISORY]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between this machine and itself."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_known_vulnerability_fails_with_the_version_that_mends_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`make check` stops there."""
    with advisory_service("vine") as url:
        code = main(["--osv-url", url])

    told = capsys.readouterr().out
    assert code == 1
    assert "VULNERABLE vine" in told
    assert "GHSA-made-up-0000, mended in 99.0" in told
    assert "scripts/lock --upgrade" in told


def test_packages_without_advisories_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a day on which nothing was judged looks different."""
    with advisory_service("no-such-package") as url:
        code = main(["--osv-url", url])

    told = capsys.readouterr().out
    assert code == 0
    assert "packages of 5 locks were judged" in told
    assert "NOT AUDITED" not in told


def test_a_service_that_is_away_is_told_and_fails_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A build without a way out goes on."""
    code = main(["--osv-url", f"http://127.0.0.1:{find_free_port()}/v1/query"])

    assert code == 0
    told = capsys.readouterr().out
    assert "NOT AUDITED: the advisory service could not be asked" in told
    assert "--osv-url" in told
