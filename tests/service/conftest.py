"""A whole server of the tests' own: uvicorn, Celery worker, Redis, SQLite."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.keys import SHOWN
from tests.phantoms import write_small_series
from tests.workers.processes import find_free_port, run_server, wait_until

MEBIBYTE = 2**20
# Each names structures of `commissioning`; the last one does not.
OWN_TEMPLATES = {
    "margins": """
format: 1
name: margins
structures: [{source: Sphere30, name: Ball, colour: [1, 2, 3]}, {source: Ball_5mm}]
derived: [{name: Ball_5mm, colour: [4, 5, 6], expand: {of: Sphere30, margin_mm: 5}}]
""",
    "with-segmentation": """
format: 1
name: with-segmentation
segmentation: true
""",
    "other-model": """
format: 1
name: other-model
derived: [{name: Cord_PRV, colour: [4, 5, 6], expand: {of: NoSuchCord, margin_mm: 5}}]
""",
}


@dataclass(frozen=True)
class Server:
    """A running server and where it keeps its data."""

    url: str
    data: Path
    process_id: int
    http: httpx.Client

    def wait_for(self, job_id: str, *states: str) -> dict[str, Any]:
        """The job once it is in one of these states."""
        wait_until(lambda: self.show(job_id)["state"] in states, f"{job_id}: {states}")
        return self.show(job_id)

    def show(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return dict(self.http.get(f"/v1/jobs/{job_id}").json())


@contextmanager
def run_ready_server(folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """A server with its data and its log below `folder`, from when it is ready to the end."""
    url = f"http://127.0.0.1:{find_free_port()}"
    own = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_PORT": url.rpartition(":")[2],
        "OARLOCK_THREADS": "1",
        "OARLOCK_STOP_SECONDS": "1",
    }
    log = folder / "server.log"
    with (
        run_server({**own, **environment}, log) as process,
        httpx.Client(base_url=url, headers=SHOWN, timeout=60, trust_env=False) as http,
    ):

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return http.get("/health/ready").is_success
            except httpx.TransportError:
                return False

        wait_until(is_ready, "the server")
        yield Server(url, folder / "data", process.pid, http)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests, with limits that small uploads can exceed."""
    templates = tmp_path_factory.mktemp("templates")
    for name, content in OWN_TEMPLATES.items():
        (templates / f"{name}.yaml").write_text(content)
    environment = {
        "OARLOCK_TEMPLATES": str(templates),
        "OARLOCK_UPLOAD_BYTES": str(64 * MEBIBYTE),
        "OARLOCK_UPLOAD_FILES": "200",
        "OARLOCK_LINT_BYTES": str(MEBIBYTE),
        "OARLOCK_ZIP_ENTRIES": "100",
        "OARLOCK_ZIP_INFLATED_BYTES": str(32 * MEBIBYTE),
        "OARLOCK_ZIP_RATIO_BYTES": str(MEBIBYTE),
    }
    with run_ready_server(tmp_path_factory.mktemp("server"), environment) as server:
        yield server


@pytest.fixture
def nothing_is_kept(server: Server) -> Iterator[None]:
    """After the test: no file staged or kept, no job recorded, and the server serves."""
    before = _read_traces(server)

    yield

    wait_until(lambda: not list((server.data / "staging").iterdir()), "staging to be empty")
    assert _read_traces(server) == before
    assert sorted(path.name for path in server.data.parent.iterdir()) == ["data", "server.log"]
    assert not list(Path("/tmp").glob("escape*"))
    assert server.http.get("/health/ready").status_code == 200


def _read_traces(server: Server) -> tuple[set[str], set[Path], int]:
    listed = server.http.get("/v1/jobs", params={"limit": "200"}).json()["jobs"]
    top = {path.name for path in server.data.iterdir()}
    return top, set((server.data / "series").iterdir()), len(listed)


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
