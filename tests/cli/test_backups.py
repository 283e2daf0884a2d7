"""`oarlock backup` and `oarlock restore` on a real server."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.shell import run
from tests.keys import SHOWN
from tests.phantoms import write_small_series
from tests.workers.old_databases import fill
from tests.workers.processes import find_free_port, run_server, wait_until
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.database import migrate, open_engine

TEMPLATES = ("eclipse", "monaco", "raystation")


class Server:
    """A running server, as its clients see it."""

    def __init__(self, environment: dict[str, str], process_id: int) -> None:
        port = environment["OARLOCK_PORT"]
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=SHOWN, trust_env=False
        )
        self._process_id = process_id

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self.client.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def send(self, files: list[Path], template: str) -> str:
        """A job's id."""
        parts = [("files", (path.name, path.read_bytes())) for path in files]
        fields = {"model": "commissioning", "template": template}
        answer = self.client.post("/v1/jobs", files=parts, data=fields, timeout=60)
        assert answer.is_success, answer.text
        (job,) = answer.json()["jobs"]
        return str(job["id"])

    def find(self, job_id: str) -> dict[str, Any]:
        """A job as the server shows it."""
        job: dict[str, Any] = self.client.get(f"/v1/jobs/{job_id}").json()
        return job

    def wait_for(self, job_ids: list[str]) -> None:
        """Until all are done."""
        for job_id in job_ids:
            wait_until(lambda one=job_id: self.find(one)["state"] == "done", f"job {job_id}")

    def find_worker(self) -> int:
        """The group of its worker: of its children, the one that is not its Redis."""
        threads = Path(f"/proc/{self._process_id}/task").iterdir()
        children = " ".join((thread / "children").read_text() for thread in threads).split()
        (worker,) = (
            int(child)
            for child in children
            if Path(f"/proc/{child}/comm").read_text().strip() != "redis-server"
        )
        return worker


@contextmanager
def serving(data: Path, log: Path) -> Iterator[Server]:
    """A server on this data folder."""
    environment = {
        "OARLOCK_DATA": str(data),
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_THREADS": "1",
    }
    with run_server(environment, log) as process:
        server = Server(environment, process.pid)
        wait_until(server.is_ready, f"the server; log: {log.read_text()[-2000:]}")
        yield server
        server.client.close()


@contextmanager
def pausing(group: int) -> Iterator[None]:
    """A worker that takes nothing until the block ends."""
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def read_results(data: Path) -> dict[str, bytes]:
    """Every structure set, by its job and name."""
    return {
        f"{path.parts[-3]}/{path.name}": path.read_bytes()
        for path in (data / "results").rglob("*.rtstruct.dcm")
    }


def test_a_restored_server_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    """One job was done and three waited when the backup was made; the server served meanwhile."""
    data, elsewhere, folder = tmp_path / "data", tmp_path / "elsewhere", tmp_path / "backup"
    files = write_small_series(tmp_path / "ct")

    with serving(data, tmp_path / "log") as server:
        done = server.send(files, "generic")
        server.wait_for([done])
        with pausing(server.find_worker()):
            waiting = [server.send(files, template) for template in TEMPLATES]
            made = run("backup", folder, OARLOCK_DATA=str(data))
            refused = run("restore", folder, "--replace", OARLOCK_DATA=str(data))
        server.wait_for(waiting)
    restored = run("restore", folder, OARLOCK_DATA=str(elsewhere))
    with serving(elsewhere, tmp_path / "log-elsewhere") as server:
        server.wait_for([done, *waiting])
        attempt = server.find(done)["attempt"]

    assert made.returncode == 0, made.stderr
    assert refused.returncode == 1
    assert "is running" in refused.stderr
    assert restored.returncode == 0, restored.stderr
    assert attempt == 1  # what was done is not done again
    assert len(read_results(data)) == 4
    assert read_results(elsewhere) == read_results(data)


def test_a_damaged_backup_is_told_by_its_check_and_changes_nothing(tmp_path: Path) -> None:
    """The check is what a cron job runs on the copy in the other building."""
    data, folder = tmp_path / "data", tmp_path / "backup"
    with serving(data, tmp_path / "log"):
        made = run("backup", folder, OARLOCK_DATA=str(data))
    whole = run("restore", folder, "--check")
    database = folder / "oarlock.sqlite"
    database.write_bytes(database.read_bytes()[:-1])

    damaged = run("restore", folder, "--check")
    restored = run("restore", folder, OARLOCK_DATA=str(tmp_path / "new"))

    assert made.returncode == 0, made.stderr
    assert whole.returncode == 0, whole.stderr
    assert "are whole" in whole.stdout
    assert (damaged.returncode, restored.returncode) == (1, 1)
    assert "oarlock.sqlite" in damaged.stderr
    assert "Traceback" not in damaged.stderr + restored.stderr
    assert not (tmp_path / "new").exists()


def test_a_backup_and_its_restore_are_recorded_each_where_it_was_done(tmp_path: Path) -> None:
    """A backup is a copy of every patient; after a restore the chain is whole, and says so."""
    data, elsewhere, folder = tmp_path / "data", tmp_path / "elsewhere", tmp_path / "backup"
    data.mkdir()
    engine = open_engine(f"sqlite:///{data / 'oarlock.sqlite'}")
    migrate(engine)
    engine.dispose()

    made = run("backup", folder, OARLOCK_DATA=str(data))
    restored = run("restore", folder, OARLOCK_DATA=str(elsewhere))

    assert (made.returncode, restored.returncode) == (0, 0), made.stderr + restored.stderr
    assert list_events(data) == ["backup-made"]
    assert list_events(elsewhere) == ["backup-restored"]


def list_events(data: Path) -> list[str]:
    """What is recorded in the database of a server, in a chain that is whole."""
    engine = open_engine(f"sqlite:///{data / 'oarlock.sqlite'}")
    try:
        store = AuditStore(engine)
        assert store.verify().fault == ""
        return [record.event.value for record in store.search(AuditFilter())]
    finally:
        engine.dispose()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_folder_that_will_not_do_is_refused_in_one_line(tmp_path: Path, command: str) -> None:
    """With what is wrong."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()

    done = run(command, tmp_path / "folder", OARLOCK_DATA=str(tmp_path / "data"))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "folder") in done.stderr


def test_a_server_that_starts_brings_the_first_version_s_database_up_to_date(
    tmp_path: Path,
) -> None:
    """An update is: stop, install, start; its jobs are listed as before."""
    data = tmp_path / "data"
    data.mkdir()
    engine = open_engine(f"sqlite:///{data / 'oarlock.sqlite'}")
    migrate(engine, "0001")
    fill(engine, "0001")
    engine.dispose()

    with serving(data, tmp_path / "log") as server:
        listed = server.client.get("/v1/jobs").json()["jobs"]

    assert {job["id"] for job in listed} == {"id 1", "id 2", "id 3"}
