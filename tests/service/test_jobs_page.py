"""The page shows what senders wrote, as text."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from contouring.structures import Status
from service.app import create_app
from tests.keys import SHOWN
from tests.workers.arriving import MR, PACS, receive
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState, Verdict
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import Failure, NewJob, OutputRecord, Priority, StructureRecord
from workers.lease_store import LeaseStore, NewResult
from workers.redis_server import RedisServer
from workers.settings import Settings

ATTACK = "<script>alert(1)</script>"


RESULT = NewResult(
    folder="job/1",
    files={},
    outputs=(
        OutputRecord("eclipse", "eclipse.rtstruct.dcm"),
        OutputRecord("monaco", "monaco.rtstruct.dcm", "monaco.seg.dcm"),
    ),
    structures=tuple(
        StructureRecord("eclipse", name, name, Status.NOT_IN_SCAN, "None of it.", 0.0, 0, 0)
        for name in ("Larynx", "Parotid_L")
    ),
    warnings=(
        "not-in-scan: Larynx: None of it.",
        "not-in-scan: Parotid_L: None of it.",
        f"cut-by-scan-end: SpinalCord reaches the last slice {ATTACK}.",
    ),
    stage_seconds={},
)


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
    with TestClient(create_app(settings), headers=SHOWN) as client:
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


def test_a_finished_job_shows_what_to_look_at_and_a_file_for_each_template(tmp_path: Path) -> None:
    """Flags are among the job's warnings; each structure set says for which system it is."""
    settings = _build_settings(tmp_path)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    _add_job(engine, "description")
    leases = LeaseStore(engine, lease_seconds=600, limits=AttemptLimits())
    job = leases.claim("worker")
    assert job is not None
    leases.finish(job, RESULT)

    page = _read_page(settings)

    assert ATTACK not in page
    assert "cut-by-scan-end: SpinalCord reaches the last slice" in page
    assert page.count("not-in-scan: ") == 1
    assert "<li>not-in-scan: Larynx, Parotid_L.</li>" in page
    assert f'/v1/jobs/{job.id}/rtstruct?template=eclipse"' in page
    assert f'/v1/jobs/{job.id}/rtstruct?template=monaco"' in page
    assert f'/v1/jobs/{job.id}/segmentation?template=monaco"' in page
    assert f'/v1/jobs/{job.id}/segmentation?template=eclipse"' not in page
    assert "SEG monaco</a>" in page


def test_running_and_failed_jobs_explain_themselves(tmp_path: Path) -> None:
    """How far the one is, and why the other failed."""
    settings = _build_settings(tmp_path)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    leases = LeaseStore(engine, lease_seconds=600, limits=AttemptLimits())
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


def test_what_comes_in_shows_with_the_seconds_that_are_left(tmp_path: Path) -> None:
    """And what became no job with its reason; what is no CT is in nobody's way."""
    settings = _build_settings(tmp_path)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    arrivals = ArrivalStore(engine)
    arrivals.note(PACS, receive(range(7)), 3600)
    arrivals.note(PACS, receive([1], series="1.2.4", sop_class=MR), 3600)
    arrivals.note(PACS, receive(range(3), series="1.2.5"), 3600)
    gap = next(one for one in arrivals.find_receiving() if one.series_instance_uid == "1.2.5")
    judged = arrivals.claim(gap)
    assert judged is not None
    reason = f"A slice is missing {ATTACK}."
    arrivals.close(judged, Verdict(ArrivalState.INCOMPLETE, fault="missing-slice", reason=reason))

    page = _read_page(settings)

    assert re.search(r"<td>7</td><td>judged in 3[56]\d\d s if nothing more comes</td>", page)
    assert "A slice is missing &lt;script&gt;" in page
    assert ATTACK not in page
    assert "1.2.4" not in page
