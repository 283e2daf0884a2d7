"""`oarlock service`, as a container starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from tests.workers.processes import find_free_port, wait_until
from workers.redis_server import RedisServer


def test_the_http_side_runs_alone_behind_its_guard(tmp_path: Path) -> None:
    """With a queue of its own choice and no worker; SIGTERM ends it."""
    port = find_free_port()
    redis_server = RedisServer(tmp_path / "redis")
    redis_server.start()
    environment = {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_PORT": str(port),
        "OARLOCK_REDIS_URL": redis_server.url,
        "OARLOCK_HTTP_HEAD_SECONDS": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "service"],
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            wait_until(lambda: _is_ready(http), "the service")
        with socket.create_connection(("127.0.0.1", port), 60) as silent:
            silent.settimeout(60)
            told = silent.recv(1000)
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(60)
        redis_server.stop()

    assert told.startswith(b"HTTP/1.1 408 ")
    assert ended in (0, -signal.SIGTERM)


def _is_ready(http: httpx.Client) -> bool:
    try:
        return http.get("/health/ready").is_success
    except httpx.TransportError:
        return False
