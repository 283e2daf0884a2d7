"""A disk that is nearly full, or fails: nothing is acknowledged that is not stored."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from service.app import create_app
from tests.keys import SHOWN
from tests.phantoms import write_small_series
from tests.service.answers import expect_problem
from workers.job_store import JobStore
from workers.redis_server import RedisServer
from workers.series_store import SeriesStore
from workers.settings import Settings

MEBIBYTE = 2**20


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A client of a server that keeps 100 MiB free."""
    data = tmp_path / "data"
    data.mkdir()
    url = RedisServer(tmp_path / "redis").url
    with TestClient(
        create_app(Settings(data=data, redis_url=url, reserve_bytes=100 * MEBIBYTE)),
        raise_server_exceptions=False,
        headers=SHOWN,
    ) as client:
        yield client


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """A series as a form has it."""
    slices = write_small_series(tmp_path / "ct")
    return [("files", (path.name, path.read_bytes())) for path in slices]


def leave_free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    """The disk has so many bytes left."""
    usage = shutil.disk_usage("/")._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def test_a_series_is_refused_before_the_disk_is_full(
    client: TestClient,
    files: list[tuple[str, tuple[str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And taken again as soon as there is room, without a restart."""
    model = {"model": "commissioning"}
    leave_free(monkeypatch, 99 * MEBIBYTE)
    refused = client.post("/v1/jobs", files=files, data=model)
    ready_meanwhile = client.get("/health/ready")
    leave_free(monkeypatch, 200 * MEBIBYTE)

    taken = client.post("/v1/jobs", files=files, data=model)

    expect_problem(refused, 507, "storage-full", "99 MiB left")
    expect_problem(ready_meanwhile, 507, "storage-full")
    assert taken.status_code == 202


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "storage-full"),
        (errno.EDQUOT, 507, "storage-full"),
        (errno.EIO, 500, "storage-failed"),
    ],
)
def test_an_error_of_the_disk_is_told_and_nothing_is_listed(
    client: TestClient,
    files: list[tuple[str, tuple[str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    status: int,
    code: str,
) -> None:
    """The sender keeps its copy until somebody says that it is stored."""

    def fail(*_: object) -> None:
        raise OSError(number, "the disk says so")

    monkeypatch.setattr(SeriesStore, "keep", fail)

    answer = client.post("/v1/jobs", files=files, data={"model": "commissioning"})

    expect_problem(answer, status, code, "nothing of this was stored")
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_database_that_cannot_write_is_told(
    client: TestClient,
    files: list[tuple[str, tuple[str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The series lies on the disk, but no job knows of it: it is no success."""

    def fail(*_: object) -> None:
        raise OperationalError("INSERT", {}, OSError("disk I/O error"))

    monkeypatch.setattr(JobStore, "add", fail)

    answer = client.post("/v1/jobs", files=files, data={"model": "commissioning"})

    expect_problem(answer, 503, "database-unreachable", "Try again")
