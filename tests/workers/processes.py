"""Redis, PostgreSQL and Oarlock's own processes, started for tests and ended after them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.05


def wait_until(
    condition: Callable[[], bool], what: str, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Return once `condition` holds; the limit only ends a test that would hang."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting for {what}"
        time.sleep(POLL_SECONDS)


def find_free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_postgresql() -> Iterator[str]:
    """A PostgreSQL on a unix socket; the URL of its server."""
    folder = Path(tempfile.mkdtemp(prefix="oarlock-postgresql-"))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.getuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user, user)
    programs: Path = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "data"
    initialise: list[str | Path] = [programs / "initdb", "--no-sync", "-D", data]
    serve: list[str | Path] = [programs / "postgres", "-F", "-D", data, "-k", folder]
    is_ready: list[str | Path] = [programs / "pg_isready", "--quiet", "--host", folder]
    subprocess.run(
        [*initialise, "--username=postgres", "--auth=trust"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        user=user,
        group=user,
    )
    server = subprocess.Popen(
        [*serve, "-c", "listen_addresses="],
        cwd=folder,
        stderr=subprocess.DEVNULL,
        user=user,
        group=user,
    )
    try:
        wait_until(lambda: subprocess.run(is_ready, check=False).returncode == 0, "PostgreSQL")
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGQUIT)  # nothing in it is wanted any more
        server.wait()
        shutil.rmtree(folder)


@contextmanager
def run_worker(environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker in a process group of its own."""
    with _run([sys.executable, "-m", "workers.worker"], environment, log) as process:
        yield process


@contextmanager
def run_server(environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`oarlock serve` with everything that belongs to it."""
    with _run([sys.executable, "-m", "cli", "serve"], environment, log) as process:
        yield process


def find_children(process_id: int) -> list[int]:
    """Ids of the processes that a process has started and that still run."""
    listing = Path(f"/proc/{process_id}/task/{process_id}/children")
    return [int(child) for child in listing.read_text().split()] if listing.exists() else []


@contextmanager
def _run(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
