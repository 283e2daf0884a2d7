"""`oarlock serve`, its parts alone, and `oarlock submit`, as a shell sees them."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import httpx
import pydicom
import pytest

from contouring.phantom_series import SeriesHeader
from tests.cli.shell import run
from tests.phantoms import write_small_series
from tests.workers.processes import find_free_port, run_server, wait_until
from workers.redis_server import RedisServer


@pytest.mark.parametrize("command", ["worker", "service"])
def test_a_part_without_a_queue_says_what_to_set(command: str) -> None:
    """Two machines later nobody remembers the variable."""
    failed = run(command, OARLOCK_REDIS_URL="")

    assert failed.returncode == 1
    assert "OARLOCK_REDIS_URL" in failed.stderr


def test_serve_without_redis_says_what_to_install(tmp_path: Path) -> None:
    """The set-up installs it, but not everybody uses the set-up."""
    failed = run("serve", OARLOCK_DATA=str(tmp_path), PATH=str(tmp_path))

    assert failed.returncode == 1
    assert "apt install redis-server" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_serve_with_a_default_template_that_is_not_there_says_so(tmp_path: Path) -> None:
    """At once, and not to the first sender, who could not mend it."""
    failed = run("serve", OARLOCK_DATA=str(tmp_path), OARLOCK_DEFAULT_TEMPLATES="no-such-template")

    assert failed.returncode == 2
    assert "no-such-template" in failed.stderr
    assert "generic" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_serve_without_its_database_says_so(tmp_path: Path) -> None:
    """The same for whoever set the URL, and a password in it stays out of the log."""
    failed = run(
        "serve",
        OARLOCK_DATA=str(tmp_path / "data"),
        OARLOCK_DATABASE_URL=f"postgresql://oarlock:secret@127.0.0.1:{find_free_port()}/oarlock",
    )

    assert failed.returncode == 1
    assert "OARLOCK_DATABASE_URL" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "secret" not in failed.stderr


def test_submit_without_a_server_says_so(tmp_path: Path) -> None:
    """A stack of library frames would not help a physicist."""
    write_small_series(tmp_path / "ct")
    url = f"http://127.0.0.1:{find_free_port()}"

    failed = run("submit", tmp_path / "ct", "--url", url, "--output", tmp_path / "out")

    assert failed.returncode == 1
    assert "oarlock serve" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.fixture
def served(tmp_path: Path) -> dict[str, str]:
    """Environment of a server of the test's own."""
    return {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_PORT": str(find_free_port()),
        "OARLOCK_STOP_SECONDS": "1",
        "OARLOCK_THREADS": "1",
    }


def _wait_for(url: str, log: Path) -> None:
    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/health/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    wait_until(is_ready, f"the server; log: {log}")


def test_serve_does_it_all_and_leaves_nothing_running(
    tmp_path: Path, served: dict[str, str]
) -> None:
    """One command: a job is done although its worker was killed, and SIGTERM ends everything."""
    write_small_series(tmp_path / "ct")
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    with run_server(served, log) as process:
        _wait_for(url, log)
        wait_until(lambda: len(_find_session_leaders(process.pid)) == 2, "Redis and worker")
        killed = _find_session_leaders(process.pid)[-1]
        os.killpg(killed, signal.SIGKILL)
        wait_until(
            lambda: killed not in (now := _find_session_leaders(process.pid)) and len(now) == 2,
            "another worker",
        )

        submitted = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--output", tmp_path / "out"),
        )
        children = _find_session_leaders(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait()

    assert submitted.returncode == 0, submitted.stderr
    assert "notes.txt: not a DICOM file, left out." in submitted.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "generic.rtstruct.dcm",
        "preview.png",
        "report.json",
        "structures.csv",
    ]
    with (tmp_path / "out" / "structures.csv").open() as file:
        found = [row for row in csv.DictReader(file) if row["status"] == "contoured"]
    assert [row["structure"] for row in found] == ["Sphere30"]
    assert process.returncode == 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    assert url in log.read_text()


def test_submit_tells_why_a_series_was_refused(tmp_path: Path, served: dict[str, str]) -> None:
    """Exit code 2 and the server's sentence; the Redis that is given is used."""
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "notes.txt").write_text("not a slice")
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    redis_server = RedisServer(tmp_path / "redis")
    redis_server.start()
    with run_server({**served, "OARLOCK_REDIS_URL": redis_server.url}, log):
        _wait_for(url, log)

        refused = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--output", tmp_path / "out"),
        )
    redis_server.stop()

    assert refused.returncode == 2
    assert "notes.txt is not a DICOM file" in refused.stderr
    assert not (tmp_path / "data" / "redis").exists()


def test_submit_asks_for_templates_and_leaves_with_2_when_a_job_is_refused(
    tmp_path: Path, served: dict[str, str]
) -> None:
    """A refused series is the sender's to mend; the good one beside it is saved."""
    write_small_series(tmp_path / "ct" / "good")
    files = write_small_series(tmp_path / "ct" / "bad", header=SeriesHeader(seed="truncated"))
    truncated = pydicom.dcmread(files[3])
    truncated.PixelData = truncated.PixelData[:100]
    truncated.save_as(files[3])
    log, url = tmp_path / "log", f"http://127.0.0.1:{served['OARLOCK_PORT']}"
    with run_server(served, log):
        _wait_for(url, log)

        submitted = run(
            *("submit", tmp_path / "ct", "--url", url, "--model", "commissioning"),
            *("--template", "eclipse", "--template", "monaco", "--output", tmp_path / "out"),
        )

    assert submitted.returncode == 2, submitted.stderr
    assert "is refused: " in submitted.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert sorted(path.name for path in folder.glob("*.dcm")) == [
        "eclipse.rtstruct.dcm",
        "monaco.rtstruct.dcm",
    ]


def _find_session_leaders(process_id: int) -> list[int]:
    """The children of `oarlock serve`, oldest first: Redis, then the worker."""
    tasks = Path(f"/proc/{process_id}/task")
    children = [
        int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()
    ]
    return sorted(child for child in children if os.getsid(child) == child)
