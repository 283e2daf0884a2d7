"""An attempt whose structure set must not leave keeps the proof; a partial one is held."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from contouring import drafts
from contouring.dicom_series import CTSeries
from contouring.errors import ReleaseCheckError
from contouring.pipeline import STAGES, Contouring, contour_series
from contouring.recipe import Cascade
from contouring.release_check import ReleaseReport
from contouring.template import Template, WantedStructure
from models.bundles import RELEASED, find_bundles
from tests.phantoms import write_small_series
from workers import attempt
from workers.attempt import Workplace, run_attempt
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.job_store import JobStore
from workers.jobs import JobState, NewJob, Priority
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.prefetch import Prefetch
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
    leases = LeaseStore(engine, lease_seconds=600.0, limits=AttemptLimits())
    series = SeriesStore(tmp_path)
    return Workplace(
        leases=leases,
        series=series,
        results=ResultStore(tmp_path),
        predictors=Predictors((RELEASED,), 1),
        prefetch=Prefetch(leases, series, most_bytes=2**30),
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


def test_whichever_structure_fails_the_others_are_held(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a partial structure set in silence; and run again, the job has one result."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    jobs = open_jobs(tmp_path)
    names = [one.name for one in find_bundles((RELEASED,))["commissioning"].card.structures]
    for lost in set(names) - {"Sphere30"}:  # the one that is in this scan
        monkeypatch.setattr(attempt, "open_templates", lambda *_, lost=lost: (asking(names, lost),))
        job = place.leases.claim("worker")
        assert job is not None

        run_attempt(job, place)

        ended = jobs.find(job.id)
        assert (ended.state, ended.failure and ended.failure.code) == (
            JobState.PARTIAL,
            "structures-failed",
        )
        assert f"t: {lost}" in str(ended.failure)
        jobs.retry(job.id)


def test_a_site_may_have_such_files_given_out(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is told all the same, as a warning and in the report."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    monkeypatch.setattr(attempt, "open_templates", lambda *_: (asking(["Sphere30"], "Lost"),))
    job = place.leases.claim("worker")
    assert job is not None

    run_attempt(job, replace(place, holds_partial=False))

    ended = open_jobs(tmp_path).find(job.id)
    assert (ended.state, ended.failure) == (JobState.DONE, None)
    assert any(warning.startswith("failed: Lost: ") for warning in ended.warnings)


def test_with_too_little_memory_it_is_run_with_smaller_windows(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next job as the model is meant to run; people are told of it."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    windows = short_of_memory(monkeypatch, largest=16 * 256 * 128)
    job = place.leases.claim("worker")
    assert job is not None

    run_attempt(job, place)

    ended = open_jobs(tmp_path).find(job.id)
    assert ended.state is JobState.DONE
    assert windows == [(16, 256, 256), (16, 128, 256)]
    assert [one for one in ended.warnings if one.startswith("less-memory: ")]
    rtstruct = place.results.find_file(str(ended.result_folder), ended.outputs[0].rtstruct)
    assert "less-memory" in str(pydicom.dcmread(rtstruct).StructureSetDescription)
    next_time = place.predictors.open(job.model_name, job.model_checksum)
    assert next_time.segmenter.stage.window_zyx == (16, 256, 256)


def test_a_job_for_which_no_memory_suffices_tries_each_way_once(
    place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without a GPU the last way is the first one again."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    windows = short_of_memory(monkeypatch, largest=0)
    job = place.leases.claim("worker")
    assert job is not None

    with pytest.raises(MemoryError):
        run_attempt(job, place)

    assert windows == [(16, 256, 256), (16, 128, 256), (16, 128, 128)]


def test_the_job_that_opens_the_model_tells_how_long_that_took(
    place: Workplace, tmp_path: Path
) -> None:
    """The first one after a worker's start takes longer, and nobody must wonder why."""
    place.series.keep("digest", write_small_series(tmp_path / "ct"))
    jobs = open_jobs(tmp_path)
    jobs.add([replace(_build_job(), parameters={"number": 2})])
    told = []

    for _ in range(2):
        job = place.leases.claim("worker")
        assert job is not None
        run_attempt(job, place)
        report = place.results.find_file(str(jobs.find(job.id).result_folder), REPORT)
        told.append([*json.loads(report.read_text())["stage_seconds"]])

    assert told == [["open", "find", *STAGES], ["find", *STAGES]]


def short_of_memory(monkeypatch: pytest.MonkeyPatch, largest: int) -> list[tuple[int, int, int]]:
    """Windows of more voxels than `largest` find no memory; all that were tried."""
    tried = []

    def contour(series: CTSeries, cascade: Cascade, *others: Any) -> Contouring:
        window = cascade.segmenter.stage.window_zyx
        tried.append(window)
        if math.prod(window) > largest:
            raise MemoryError
        return contour_series(series, cascade, *others)

    monkeypatch.setattr(attempt, "contour_series", contour)
    return tried


def asking(names: list[str], lost: str) -> Template:
    """A template that asks for all of `names`, and for `lost` from a source that is not there."""
    wanted = [WantedStructure(name) for name in names if name != lost]
    return Template("t", structures=(*wanted, WantedStructure("NoSuchSource", lost)))


def open_jobs(folder: Path) -> JobStore:
    """The jobs of a workplace below `folder`."""
    return JobStore(open_engine(f"sqlite:///{folder / 'jobs.sqlite'}"))
