"""The page shows what senders wrote, as text."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.app import create_app
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import Failure, NewJob, Priority
from workers.lease_store import LeaseStore
from workers.redis_server import RedisServer
from workers.settings import Settings

ATTACK = "<script>alert(1)</script>"


def _add_job(engine: Engine, description: str) -> None:
    job = NewJob(
        series_digest=description,
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        series_description=description,
        slice_count=3,
        model_name="commissioning",
        model_checksum="c",
        parameters={},
        priority=Priority.NORMAL,
        warnings=(f"warning {ATTACK}",),
    )
    JobStore(engine).add([job])


def _read_page(settings: Settings) -> str:
    with TestClient(create_app(settings)) as client:
        return str(client.get("/").text)


def _build_settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, redis_url=RedisServer(tmp_path / "redis").url)


def test_an_empty_list_says_what_to_do(tmp_path: Path) -> None:
    """The first page a new user sees."""
    assert "No jobs yet" in _read_page(_build_settings(tmp_path))


def test_nothing_that_was_sent_becomes_markup(tmp_path: Path) -> None:
    """A series description comes from a file that anybody may have written."""
    settings = _build_settings(tmp_path)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    _add_job(engine, ATTACK)

    page = _read_page(settings)

    assert ATTACK not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2


def test_running_and_failed_jobs_explain_themselves(tmp_path: Path) -> None:
    """How far the one is, and why the other failed."""
    settings = _build_settings(tmp_path)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    leases = LeaseStore(engine, lease_seconds=600, lost_attempts_limit=3)
    for description in ("fails", "runs"):
        _add_job(engine, description)
    fails, runs = leases.claim("worker"), leases.claim("worker")
    assert fails is not None
    assert runs is not None
    leases.fail(fails, Failure("out-of-memory", "There was no memory left."))
    leases.report(runs, "segment", 0.42)

    page = _read_page(settings)

    assert "There was no memory left." in page
    assert "segment, 42 %" in page
    assert 'aria-label="Progress of stage segment"' in page
    assert "RTSTRUCT</a>" not in page
