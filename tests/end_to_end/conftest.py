"""A whole server in its own process, as `oarlock serve` starts it: API, worker, Redis, SQLite;
and the phantom contoured without one, in every patient position."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contouring.phantom_scan import PATIENT_POSITIONS
from tests.end_to_end.phantom_runs import PhantomRun, run_phantom

START_SECONDS = 60


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server; its log is shown if it does not start."""
    folder = tmp_path_factory.mktemp("server")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_HOST": "127.0.0.1",
        "OARLOCK_PORT": str(port),
        "OARLOCK_STOP_SECONDS": "2",
    }
    environment.pop("OARLOCK_REDIS_URL", None)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "oarlock", "serve"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="session", params=PATIENT_POSITIONS)
def phantom_run(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PhantomRun:
    """The phantom in one patient position, with every template's structure set."""
    return run_phantom(tmp_path_factory.mktemp(request.param), request.param)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-4000:]}")
