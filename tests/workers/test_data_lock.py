"""Servers and workers share a data folder; a restore has it to itself, or does not begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contouring.errors import BackupError, DataLockedError
from tests.workers.processes import find_children, run_worker, wait_until
from workers.backups.backup import make_backup
from workers.backups.restore import restore_backup
from workers.data_lock import LOCK, owning_data, sharing_data
from workers.database import migrate, open_engine
from workers.redis_server import RedisServer
from workers.settings import Settings

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOLDER = """
import os, sys, time
from pathlib import Path
from workers.data_lock import sharing_data
with sharing_data(Path(sys.argv[1])):
    if "fork" not in sys.argv or os.fork():  # two would write into each other's line
        print("held", flush=True)
    time.sleep(600)
"""


def hold(data: Path, *words: str) -> subprocess.Popen[str]:
    """Another process that shares the folder."""
    command = [sys.executable, "-c", HOLDER, str(data), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def is_free(data: Path) -> bool:
    """Whether a restore could begin."""
    try:
        with owning_data(data):
            return True
    except DataLockedError:
        return False


def test_those_that_serve_share_it(tmp_path: Path) -> None:
    """A service, its node, and all workers."""
    with sharing_data(tmp_path), sharing_data(tmp_path):
        assert not is_free(tmp_path)

    assert is_free(tmp_path)
    assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600


def test_nobody_serves_while_it_is_restored(tmp_path: Path) -> None:
    """What it wrote would be lost, or worse, stay."""
    with owning_data(tmp_path), pytest.raises(DataLockedError, match="in use"):
        sharing_data(tmp_path).__enter__()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """Nobody has to clean up after it."""
    process = hold(tmp_path)
    assert not is_free(tmp_path)

    process.kill()
    process.wait()

    assert is_free(tmp_path)


def test_a_child_that_outlives_its_parent_holds_it_on(tmp_path: Path) -> None:
    """It may be in the middle of a job."""
    process = hold(tmp_path, "fork")
    try:
        wait_until(lambda: len(find_children(process.pid)) == 1, "the child")

        process.kill()
        process.wait()

        assert not is_free(tmp_path)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
    wait_until(lambda: is_free(tmp_path), "the child's end")


def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network mounts have none; docs/operations.md says what then."""

    def fail(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", fail)

    with sharing_data(tmp_path):
        assert is_free(tmp_path)


def test_nothing_is_put_back_under_a_worker_on_sqlite_whose_redis_is_elsewhere(
    tmp_path: Path,
) -> None:
    """Neither the database nor a Redis of its own tells of it; killed, it is no obstacle."""
    data, log = tmp_path / "data", tmp_path / "worker.log"
    redis = RedisServer(tmp_path / "redis")
    redis.start()
    settings = Settings(data=data, redis_url=redis.url)
    data.mkdir()
    engine = open_engine(settings.sql_url, is_pooled=False)
    migrate(engine)
    engine.dispose()
    make_backup(settings, tmp_path / "backup", "0.1.0", NOW)
    environment = {"OARLOCK_DATA": str(data), "OARLOCK_REDIS_URL": redis.url}
    try:
        with run_worker(environment, log) as worker:
            wait_until(lambda: "ready" in log.read_text(), "the worker")

            with pytest.raises(BackupError, match="is running"):
                restore_backup(settings, tmp_path / "backup", NOW, replace=True)

            os.killpg(worker.pid, signal.SIGKILL)
        restored = restore_backup(settings, tmp_path / "backup", NOW, replace=True)
    finally:
        redis.stop()
    assert restored.file_count == 0
