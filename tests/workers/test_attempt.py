"""An attempt that must not release its structure set leaves the proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contouring import drafts
from contouring.errors import ReleaseCheckError
from contouring.release_check import ReleaseReport
from models.bundles import RELEASED, find_bundles
from tests.phantoms import write_small_series
from workers.attempt import Workplace, run_attempt
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import NewJob, Priority
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.result_files import REPORT
from workers.result_store import ResultStore, name_folder
from workers.series_store import SeriesStore

BREACH = "Sphere30 strays 3.0 mm."


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workplace with a database of its own."""
    engine = open_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    migrate(engine)
    JobStore(engine).add([_build_job()])
    return Workplace(
        leases=LeaseStore(engine, lease_seconds=600.0, limits=AttemptLimits()),
        series=SeriesStore(tmp_path),
        results=ResultStore(tmp_path),
        predictors=Predictors((RELEASED,), 1),
        template_folders=(),
        heartbeat_seconds=600.0,
    )


def _build_job() -> NewJob:
    bundle = find_bundles((RELEASED,))["commissioning"]
    return NewJob(
        series_digest="digest",
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        series_description="",
        slice_count=20,
        model_name=bundle.card.name,
        model_checksum=bundle.checksum,
        parameters={},
        priority=Priority.NORMAL,
        warnings=(),
    )


def test_a_failed_release_check_keeps_its_report_and_no_structure_set(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told of it must be able to see how far each structure was off."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    job = place.leases.claim("worker")
    assert job is not None
    failed = ReleaseReport(agreements=(), findings=(), breaches=(BREACH,))
    monkeypatch.setattr(drafts, "check_release", lambda *_: failed)

    with pytest.raises(ReleaseCheckError, match="strays"):
        run_attempt(job, place)

    report = place.results.find_file(name_folder(job.id, job.fence), REPORT)
    (output,) = json.loads(report.read_text())["outputs"]
    assert output["release"]["breaches"] == [BREACH]
    assert "Sphere30" in {structure["name"] for structure in output["structures"]}
    assert [path.name for path in report.parent.iterdir()] == [REPORT]
