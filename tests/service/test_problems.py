"""Errors become problems, all of them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy.exc import DataError

from contouring.errors import OarlockError
from service.access.declarations import needs
from service.access.roles import Permission
from service.app import create_app
from service.problems import STATUS
from tests.keys import SHOWN
from tests.workers.processes import run_postgresql
from workers.redis_server import RedisServer
from workers.settings import Settings


def _walk(error: type[OarlockError]) -> list[type[OarlockError]]:
    return [error, *(deeper for child in error.__subclasses__() for deeper in _walk(child))]


def test_every_error_has_its_status() -> None:
    """An error that the table forgets would be a 500 for the sender's own mistake."""
    tree = [error for error in _walk(OarlockError) if error.__module__.startswith("contouring")]

    assert len(tree) > 10
    assert [error.__name__ for error in tree if error not in STATUS] == []


def test_every_error_has_a_name_of_its_own() -> None:
    """Clients tell problems apart by their type."""
    codes = [error.code for error in STATUS]

    assert len(set(codes)) == len(codes)


def test_an_unexpected_error_shows_no_trace(tmp_path: Path) -> None:
    """Paths and code are for the log, not for whoever asks."""
    redis_server = RedisServer(tmp_path / "redis")
    app = create_app(Settings(data=tmp_path, redis_url=redis_server.url))

    @app.get("/broken")
    @needs(Permission.DESCRIBE)
    def fail() -> None:
        raise ZeroDivisionError("secret detail")

    with TestClient(app, raise_server_exceptions=False, headers=SHOWN) as client:
        answer = client.get("/broken")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:oarlock:problem:internal-error"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_without_redis_the_service_is_ready_but_degraded(tmp_path: Path) -> None:
    """Uploads are still accepted, and a monitor sees that they wait."""
    redis_server = RedisServer(tmp_path / "redis")
    app = create_app(Settings(data=tmp_path, redis_url=redis_server.url))

    with TestClient(app, headers=SHOWN) as client:
        without = client.get("/health/ready")
        redis_server.start()
        with_redis = client.get("/health/ready")
        redis_server.stop()
        alive = client.get("/health/live")

    assert (without.status_code, without.json()["status"]) == (200, "degraded")
    assert (with_redis.status_code, with_redis.json()["status"]) == (200, "ok")
    assert alive.status_code == 200


def test_without_its_database_the_service_is_not_ready(tmp_path: Path) -> None:
    """A load balancer must send uploads elsewhere."""
    with ExitStack() as database:
        settings = Settings(
            data=tmp_path,
            redis_url=RedisServer(tmp_path / "redis").url,
            database_url=database.enter_context(run_postgresql()),
        )

        with TestClient(create_app(settings), headers=SHOWN) as client:
            with_database = client.get("/health/ready")
            database.close()
            answer = client.get("/health/ready")

    assert with_database.status_code == 200
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:oarlock:problem:database-unreachable"


def test_what_the_database_cannot_hold_is_the_senders_fault(tmp_path: Path) -> None:
    """PostgreSQL refuses a NUL in any text; the sender can leave it out."""
    redis_server = RedisServer(tmp_path / "redis")
    app = create_app(Settings(data=tmp_path, redis_url=redis_server.url))

    @app.get("/nul")
    @needs(Permission.DESCRIBE)
    def fail() -> None:
        raise DataError("select", {}, ValueError("a NUL"))

    with TestClient(app, raise_server_exceptions=False, headers=SHOWN) as client:
        answer = client.get("/nul")

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:oarlock:problem:invalid-request"
