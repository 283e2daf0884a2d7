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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class PostgreSQL:
    """An empty cluster on a unix socket in a folder of its own."""

    folder: Path
    programs: Path

    @property
    def url(self) -> str:
        """Of its server."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    @property
    def command(self) -> list[str]:
        """Runs the server, whoever asks."""
        server = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        return [*_as_postgres(), *server, "-k", str(self.folder), "-c", "listen_addresses="]

    def is_ready(self) -> bool:
        """Whether the server answers."""
        asking = [self.programs / "pg_isready", "--quiet", "--host", self.folder]
        return subprocess.run(asking, check=False).returncode == 0

    def find_faults(self) -> str:
        """What the server's own judge says of its tables and indexes; empty if all is well."""
        judging = [self.programs / "pg_amcheck", "--host", self.folder, "--username", "postgres"]
        judged = subprocess.run(
            [*judging, "--install-missing", "--heapallindexed", "postgres"],
            check=False,
            capture_output=True,
            text=True,
        )
        return judged.stdout + judged.stderr if judged.returncode else ""


def create_postgresql() -> PostgreSQL:
    """A cluster in a new folder, which the caller removes."""
    folder = Path(tempfile.mkdtemp(prefix="oarlock-postgresql-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    programs: Path = max(Path("/usr/lib/postgresql").glob("*/bin"))
    initialise = [str(programs / "initdb"), "--no-sync", "-D", str(folder / "data")]
    subprocess.run(
        [*_as_postgres(), *initialise, "--username=postgres", "--auth=trust"],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    return PostgreSQL(folder, programs)


@contextmanager
def run_postgresql() -> Iterator[str]:
    """A PostgreSQL on a unix socket; the URL of its server."""
    cluster = create_postgresql()
    server = subprocess.Popen(
        [*cluster.command, "-F"], cwd=cluster.folder, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(cluster.is_ready, "PostgreSQL")
        yield cluster.url
    finally:
        server.send_signal(signal.SIGQUIT)  # nothing in it is wanted any more
        server.wait()
        shutil.rmtree(cluster.folder)


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    return as_user if os.getuid() == 0 else []


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
