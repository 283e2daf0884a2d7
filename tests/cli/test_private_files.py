"""Nobody but the server's user reads what it wrote."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from pydicom.uid import CTImageStorage
from pynetdicom import AE

from tests.cli.shell import run
from tests.phantoms import write_small_series
from tests.workers.processes import find_free_port, run_server, wait_until


@pytest.fixture
def _careless() -> Iterator[None]:
    """The umask that most shells have, for what this test starts."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def find_readable(folder: Path) -> list[str]:
    """What group or others may do anything with; links have no mode of their own."""
    return [
        f"{path.relative_to(folder)} {stat.filemode(mode)}"
        for path in sorted(folder.rglob("*"))
        if not stat.S_ISLNK(mode := path.lstat().st_mode) and mode & 0o077
    ]


@pytest.mark.usefixtures("_careless")
def test_a_whole_run_leaves_nothing_that_others_may_read(tmp_path: Path) -> None:
    """Series by HTTP and DIMSE, a job, its result, the database and the queue's files."""
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir(mode=0o755)  # by an administrator who did not think of it
    port, dicom_port = find_free_port(), find_free_port()
    environment = {
        "OARLOCK_DATA": str(data),
        "OARLOCK_PORT": str(port),
        "OARLOCK_DIMSE_PORT": str(dicom_port),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_THREADS": "1",
    }
    url = f"http://127.0.0.1:{port}"
    files = write_small_series(tmp_path / "ct")

    with run_server(environment, log):
        wait_until(lambda: _is_ready(url), f"the server; log: {log.read_text()[-2000:]}")
        submitted = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--output", tmp_path / "out"),
        )
        wait_until(lambda: _store(files, dicom_port), "the DICOM node to take a series")
        while_running = find_readable(data)
    afterwards = find_readable(data)

    kinds = {path.relative_to(data).parts[0] for path in data.rglob("*")}
    assert submitted.returncode == 0, submitted.stderr
    assert {"instances", "series", "results", "redis", "oarlock.sqlite"} <= kinds
    assert while_running == afterwards == []
    mine = (tmp_path / "out" / "report.json").stat().st_mode
    assert mine & 0o777 == 0o644  # what a command writes for its user keeps that user's


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _store(files: list[Path], port: int) -> bool:
    node = AE("TEST")
    node.add_requested_context(CTImageStorage)
    association = node.associate("127.0.0.1", port, ae_title="OARLOCK")
    if not association.is_established:
        return False
    statuses = [association.send_c_store(dcmread(file)).get("Status") for file in files]
    association.release()
    return set(statuses) == {0}
