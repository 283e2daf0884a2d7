"""Databases and queues for the tests of the queue side."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.workers.processes import run_postgresql
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.deliveries import Pauses
from workers.job_store import JobStore
from workers.jobs import NewJob, Priority
from workers.lease_store import LeaseStore
from workers.outbox_store import OutboxStore
from workers.redis_server import RedisServer
from workers.settings import Settings

NO_PAUSE = 1e-6
LIMITS = AttemptLimits(child_deaths=2, lost_leases=3, transient_errors=3, first_pause_seconds=100.0)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a PostgreSQL server."""
    with run_postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    server: str = request.getfixturevalue("postgresql")
    name = f"jobs_{uuid.uuid4().hex}"
    admin = create_engine(Settings(database_url=server).sql_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return Settings(database_url=server.replace("/postgres?", f"/{name}?")).sql_url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database with the newest schema."""
    engine = open_engine(database_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def jobs(engine: Engine) -> JobStore:
    """Jobs of an empty database."""
    return JobStore(engine)


@pytest.fixture
def leases(engine: Engine) -> LeaseStore:
    """Leases that last much longer than a test."""
    return LeaseStore(engine, lease_seconds=600.0, limits=LIMITS)


@pytest.fixture
def short_leases(engine: Engine) -> LeaseStore:
    """Leases that are over as soon as they are taken."""
    return LeaseStore(engine, lease_seconds=-1.0, limits=LIMITS)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running Redis of the test's own."""
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    """Jobs that differ by the series' name."""

    def build(series: str = "series", priority: Priority = Priority.NORMAL) -> NewJob:
        return NewJob(
            series_digest=series,
            study_instance_uid="1.2.3",
            series_instance_uid=f"1.2.3.{len(series)}",
            series_description=series,
            slice_count=3,
            model_name="commissioning",
            model_checksum="c" * 64,
            parameters={},
            priority=priority,
            warnings=("slices 1 and 2 are close",),
        )

    return build


@pytest.fixture
def outbox(engine: Engine) -> OutboxStore:
    """Leases and pauses are much longer than a test."""
    return OutboxStore(engine, Pauses(), lease_seconds=600.0)


@pytest.fixture
def hasty(engine: Engine) -> OutboxStore:
    """Leases are over as soon as they are taken, pauses last no time, and the third try ends it."""
    pauses = Pauses(NO_PAUSE, NO_PAUSE, total_hours=2 * NO_PAUSE / 3600)
    return OutboxStore(engine, pauses, lease_seconds=-1.0)
