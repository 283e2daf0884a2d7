"""A whole server of the tests' own: uvicorn, Celery worker, Redis, SQLite."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.phantoms import write_small_series
from tests.workers.processes import find_free_port, run_server, wait_until

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Server:
    """A running server and where it keeps its data."""

    url: str
    data: Path
    http: httpx.Client

    def wait_for(self, job_id: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of these states."""
        wait_until(lambda: self.show(job_id)["state"] in states, f"{job_id}: {states}")
        return self.show(job_id)

    def show(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return dict(self.http.get(f"/v1/jobs/{job_id}").json())


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, with limits that small uploads can exceed."""
    folder = tmp_path_factory.mktemp("server")
    url = f"http://127.0.0.1:{find_free_port()}"
    environment = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_PORT": url.rpartition(":")[2],
        "OARLOCK_THREADS": "1",
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_UPLOAD_BYTES": str(64 * MEBIBYTE),
        "OARLOCK_UPLOAD_FILES": "200",
        "OARLOCK_ZIP_ENTRIES": "100",
        "OARLOCK_ZIP_INFLATED_BYTES": str(32 * MEBIBYTE),
        "OARLOCK_ZIP_RATIO_BYTES": str(MEBIBYTE),
    }
    log = folder / "server.log"
    with (
        run_server(environment, log) as process,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return http.get("/health/ready").is_success
            except httpx.TransportError:
                return False

        wait_until(is_ready, "the server")
        yield Server(url, folder / "data", http)


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """The files of a small CT series."""
    return write_small_series(tmp_path / "ct")


@pytest.fixture
def build_zip() -> Callable[[dict[str, bytes]], bytes]:
    """A zip of entries by name."""

    def build(entries: dict[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return buffer.getvalue()

    return build
