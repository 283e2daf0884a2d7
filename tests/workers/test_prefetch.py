"""What is read ahead is only a hint: it may help the next job, and can harm none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from sqlalchemy import Engine

from contouring.dicom_series import CTSeries, read_series
from contouring.errors import JobCancelledError, SeriesRefusedError
from contouring.pipeline import Contouring, Progress, contour_series
from contouring.provenance import Stamp
from contouring.recipe import Cascade
from contouring.volume import build_volume
from models.bundles import RELEASED, find_bundles
from tests.contouring.ct_files import edit
from tests.phantoms import SMALL_SCAN, write_small_series
from tests.workers.conftest import LIMITS
from tests.workers.processes import wait_until
from tests.workers.reading_ahead import (
    MANY_BYTES,
    Watched,
    cancel,
    claim,
    contour,
    list_open_files,
    read_rows,
)
from workers import attempt, tasks
from workers.attempt import Workplace
from workers.database import open_engine
from workers.job_store import JobStore
from workers.jobs import Failure, Job, JobState, NewJob, Priority
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.prefetch import Prefetch
from workers.queue import build_message
from workers.result_store import ResultStore
from workers.series_store import SeriesStore
from workers.tasks import run_claimed

VOXEL_BYTES = 2


def wanted() -> None:
    """Of a job that nobody has cancelled."""


@pytest.fixture
def series(tmp_path: Path) -> SeriesStore:
    """Three series of different patients."""
    store = SeriesStore(tmp_path / "data")
    for number, name in enumerate(("first", "second", "third")):
        shape = replace(SMALL_SCAN, centre_mm=(float(number), 0.0, 0.0))
        store.keep(name, write_small_series(tmp_path / name, scan=shape))
    return store


@pytest.fixture
def place(leases: LeaseStore, series: SeriesStore, tmp_path: Path) -> Iterator[Workplace]:
    """A workplace that reads ahead."""
    place = Workplace(
        leases=leases,
        series=series,
        results=ResultStore(tmp_path / "data"),
        predictors=Predictors((), 1),
        prefetch=Prefetch(leases, series, MANY_BYTES),
        template_folders=(),
        heartbeat_seconds=600.0,
    )
    yield place
    place.prefetch.drop()


@pytest.fixture
def queue(jobs: JobStore, new_job: Callable[..., NewJob]) -> Callable[..., list[Job]]:
    """Jobs for the series of these names, one after the other."""
    checksum = find_bundles((RELEASED,))["commissioning"].checksum

    def add(*names: str, priority: Priority = Priority.NORMAL) -> list[Job]:
        return [
            job
            for name in names
            for job in jobs.add(
                [replace(new_job(name, priority), model_checksum=checksum, warnings=())]
            )
        ]

    return add


def test_looking_ahead_changes_nothing(
    place: Workplace, engine: Engine, queue: Callable[..., list[Job]]
) -> None:
    """No lease, no attempt, no state: the job is another worker's as much as before."""
    queue("first", "second")
    job = claim(place.leases)
    before = read_rows(engine)

    place.prefetch.begin(job, is_on_gpu=True)

    assert place.prefetch.take("second", wanted) is not None
    assert read_rows(engine) == before


def test_what_was_read_ahead_is_what_the_job_would_read(
    place: Workplace, queue: Callable[..., list[Job]]
) -> None:
    """Voxels, their grid, and every warning."""
    queue("first", "second")
    place.prefetch.begin(claim(place.leases), is_on_gpu=True)

    prepared = place.prefetch.take("second", wanted)

    series = read_series(place.series.find_folder("second"), has_known_names=False)
    ct = build_volume(series, lambda _: None)
    assert prepared is not None
    assert prepared.series.instances == series.instances
    assert np.array_equal(prepared.ct.hu, ct.hu)
    assert np.array_equal(prepared.ct.in_view, ct.in_view)
    assert (prepared.series.warnings, prepared.ct.warnings) == (series.warnings, ct.warnings)


def test_a_series_read_ahead_gives_the_same_bytes(
    place: Workplace, jobs: JobStore, queue: Callable[..., list[Job]]
) -> None:
    """Whether a worker was busy before must not be seen in a structure set."""
    _, second = queue("first", "second")
    watched = Watched(place.leases, place.series, MANY_BYTES)

    for _ in range(2):
        run_claimed(claim(place.leases), replace(place, prefetch=watched))

    done = jobs.find(second.id)
    assert watched.was_used == [False, True]
    rtstruct = place.results.find_file(str(done.result_folder), done.outputs[0].rtstruct)
    assert rtstruct.read_bytes() == contour(place, done)


def test_a_broken_series_that_is_read_ahead_concerns_its_own_job_alone(
    place: Workplace, jobs: JobStore, queue: Callable[..., list[Job]]
) -> None:
    """The job before it is done; its own is refused as if nothing had been read before."""
    edit(next(place.series.find_folder("second").iterdir()), PixelData=b"\0\0")
    queued = queue("first", "second")

    for _ in queued:
        run_claimed(claim(place.leases), place)

    first, second = (jobs.find(job.id) for job in queued)
    with pytest.raises(SeriesRefusedError) as refused:
        contour(place, second)
    assert (first.state, second.state) == (JobState.DONE, JobState.REFUSED)
    assert second.failure == Failure(refused.value.fault, refused.value.reason)


@pytest.mark.parametrize("pause_seconds", [0.0, 0.005, 0.02, 0.08, 0.3])
def test_files_that_change_at_whatever_moment_give_what_lies_on_the_disk(
    place: Workplace, queue: Callable[..., list[Job]], pause_seconds: float
) -> None:
    """Before, while and after they are read ahead."""
    queue("first", "second")
    file = next(place.series.find_folder("second").iterdir())
    pixels = pydicom.dcmread(file).PixelData[::-1]
    place.prefetch.begin(claim(place.leases), is_on_gpu=True)
    time.sleep(pause_seconds)

    edit(file, PixelData=pixels)

    prepared = place.prefetch.take("second", wanted)
    series = read_series(place.series.find_folder("second"))
    on_disk = build_volume(series, lambda _: None)
    assert prepared is None or np.array_equal(prepared.ct.hu, on_disk.hu)


def test_a_series_that_is_deleted_while_it_is_read_ahead_stays_deleted(
    place: Workplace, queue: Callable[..., list[Job]]
) -> None:
    """Neither its folder nor its voxels come back, and no file of it stays open."""
    queue("first", "second")
    folder = place.series.find_folder("second")
    place.prefetch.begin(claim(place.leases), is_on_gpu=True)

    shutil.rmtree(folder)
    taken = place.prefetch.take("second", wanted)

    assert taken is None
    assert not folder.exists()
    assert not [link for link in list_open_files() if str(folder) in link]


@pytest.mark.parametrize(("bytes_more", "is_read"), [(0, True), (-1, False)])
def test_no_larger_series_is_read_ahead_than_a_site_allows(
    place: Workplace, queue: Callable[..., list[Job]], bytes_more: int, is_read: bool
) -> None:
    """A worker's memory is planned for one job."""
    queue("first", "second")
    voxels = SMALL_SCAN.rows * SMALL_SCAN.columns * len(SMALL_SCAN.slice_offsets_mm)
    prefetch = Prefetch(place.leases, place.series, voxels * VOXEL_BYTES + bytes_more)

    prefetch.begin(claim(place.leases), is_on_gpu=True)

    assert (prefetch.take("second", wanted) is not None) is is_read


@pytest.mark.parametrize(
    ("most_bytes", "is_on_gpu", "is_read"),
    [(None, True, True), (None, False, False), (MANY_BYTES, False, True), (0, True, False)],
)
def test_series_are_read_ahead_beside_a_gpu_or_as_a_site_says(
    place: Workplace,
    queue: Callable[..., list[Job]],
    most_bytes: int | None,
    is_on_gpu: bool,
    is_read: bool,
) -> None:
    """Beside a network that needs the CPU itself, nothing is gained."""
    queue("first", "second")
    prefetch = Prefetch(place.leases, place.series, most_bytes)

    prefetch.begin(claim(place.leases), is_on_gpu)

    assert (prefetch.take("second", wanted) is not None) is is_read


def test_what_another_job_was_claimed_before_is_dropped(
    place: Workplace, queue: Callable[..., list[Job]]
) -> None:
    """An urgent job came in between; the waiting one is read again when it is its turn."""
    queue("first", "second")
    place.prefetch.begin(claim(place.leases), is_on_gpu=True)

    assert place.prefetch.take("third", wanted) is None
    assert place.prefetch.take("second", wanted) is None


def test_a_job_that_is_cancelled_while_it_waits_for_its_series_stops(
    place: Workplace, queue: Callable[..., list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It need not be read to its end for that; the next one is read ahead all the same."""
    monkeypatch.setattr("workers.prefetch.WAIT_SECONDS", 0.0)
    queue("first", "second")
    job = claim(place.leases)
    place.prefetch.begin(job, is_on_gpu=True)

    with pytest.raises(JobCancelledError):
        place.prefetch.take("second", cancel)

    monkeypatch.undo()

    def is_read_anew() -> bool:
        place.prefetch.begin(job, is_on_gpu=True)
        return place.prefetch.take("second", wanted) is not None

    wait_until(is_read_anew, "the series to be read ahead again")


def test_a_job_short_of_memory_is_run_alone_before_it_makes_do_with_less(
    place: Workplace,
    jobs: JobStore,
    queue: Callable[..., list[Job]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was read for the next job may have been what was lacking; nothing more is, from then."""
    first, *_ = queue("first", "second", "third")
    windows = []

    def contour_at_second_try(
        series: CTSeries,
        cascade: Cascade,
        stamp: Stamp,
        templates: Any,
        progress: Progress,
        ct: Any,
    ) -> Contouring:
        windows.append(cascade.segmenter.stage.window_zyx)
        progress("segment", 0.0)
        if len(windows) == 1:
            raise MemoryError
        return contour_series(series, cascade, stamp, templates, progress, ct)

    monkeypatch.setattr(attempt, "contour_series", contour_at_second_try)
    run_claimed(claim(place.leases), place)

    done = jobs.find(first.id)
    assert (done.state, len(windows), len(set(windows))) == (JobState.DONE, 2, 1)
    assert not [one for one in done.warnings if one.startswith("less-memory")]
    assert not place.prefetch.drop()


def test_nothing_is_read_beside_a_job_that_has_lost_its_process(
    place: Workplace, queue: Callable[..., list[Job]]
) -> None:
    """What was read beside it may have cost it the memory: three such deaths, and it is poison."""
    queue("first", "second")
    place.leases.claim("killed")
    place.leases.lose_child("killed")

    run_claimed(claim(place.leases), place)

    assert not place.prefetch.drop()


def test_a_worker_that_finds_no_job_forgets_what_it_read_ahead(
    place: Workplace,
    jobs: JobStore,
    queue: Callable[..., list[Job]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another worker has taken it, or somebody has cancelled it."""
    monkeypatch.setattr(tasks, "open_workplace", lambda: place)
    first, second = queue("first", "second")
    place.prefetch.begin(claim(place.leases), is_on_gpu=True)
    jobs.cancel(second.id)

    tasks.run_job(build_message(first.id))

    assert not place.prefetch.drop()


def test_a_database_that_fails_a_look_ahead_fails_no_job(
    place: Workplace, queue: Callable[..., list[Job]], tmp_path: Path
) -> None:
    """The job's own writes will tell whether it is there."""
    (job,) = queue("first")
    away = LeaseStore(open_engine(f"sqlite:///{tmp_path}/no/such.sqlite"), 600.0, LIMITS)

    prefetch = Prefetch(away, place.series, MANY_BYTES)
    prefetch.begin(replace(job, started_at=job.created_at), is_on_gpu=True)

    assert not prefetch.drop()
