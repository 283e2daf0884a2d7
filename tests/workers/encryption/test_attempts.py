"""Jobs of an encrypted data folder: done, and stopped by name where the disk was tampered with."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from contouring.opened_files import read_file, use_opener
from models.bundles import RELEASED, find_bundles
from tests.workers.conftest import LIMITS
from tests.workers.encryption.conftest import Safe
from workers import tasks
from workers.attempt import Workplace
from workers.encryption.key_ring import add_key
from workers.encryption.seal import SEAL_BYTES
from workers.encryption.study_keys import StudyKeys
from workers.encryption.vault import Vault
from workers.job_store import JobStore
from workers.jobs import Job, JobState, NewJob, Priority
from workers.lease_store import LeaseStore
from workers.predictors import Predictors
from workers.prefetch import Prefetch
from workers.queue import build_message
from workers.result_store import ResultStore
from workers.series_store import SeriesStore

KeepSeries = Callable[[list[bytes]], str]
SLICE_0011 = "slice-0011.dcm"


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    """Jobs that the small model can run."""
    bundle = find_bundles((RELEASED,))["commissioning"]

    def build(series: str) -> NewJob:
        return NewJob(
            series_digest=series,
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.3.4",
            series_description="",
            slice_count=20,
            model_name=bundle.card.name,
            model_checksum=bundle.checksum,
            parameters={},
            priority=Priority.NORMAL,
            warnings=(),
        )

    return build


@pytest.fixture
def place(safe: Safe) -> Workplace:
    """A worker's, on the encrypted folder."""
    leases = LeaseStore(safe.engine, lease_seconds=600.0, limits=LIMITS)
    series = SeriesStore(safe.data)
    return Workplace(
        leases=leases,
        series=series,
        results=ResultStore(safe.data),
        predictors=Predictors((RELEASED,), 1),
        prefetch=Prefetch(leases, series, most_bytes=0),
        template_folders=(),
        heartbeat_seconds=600.0,
        check_keys=safe.vault.keys.check,
    )


@pytest.fixture
def run(
    safe: Safe, place: Workplace, keep_series: KeepSeries, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Job]:
    """Has a worker do what waits; the only job as it is then."""
    monkeypatch.setattr(tasks, "open_workplace", lambda: place)

    def run_once() -> Job:
        tasks.run_job(build_message("any"))
        (job,) = JobStore(safe.engine).find_by_series(find_digest(safe))
        return job

    return run_once


def find_digest(safe: Safe) -> str:
    """Of the series that was kept first."""
    return min((safe.data / "series").iterdir(), key=lambda one: one.stat().st_ctime_ns).name


def test_a_job_of_an_encrypted_series_leaves_encrypted_files(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries, run: Callable[[], Job]
) -> None:
    """All of them: structure set, picture and report."""
    keep_series(slices)

    job = run()

    assert job.state is JobState.DONE, job.failure
    assert job.result_folder is not None
    folder = safe.data / "results" / job.result_folder
    contents = {path.name: read_file(path) for path in folder.iterdir()}
    assert sorted(contents) == ["generic.rtstruct.dcm", "preview.png", "report.json"]
    assert pydicom.dcmread(BytesIO(contents["generic.rtstruct.dcm"])).Modality == "RTSTRUCT"
    for path in folder.iterdir():
        assert contents[path.name][200:260] not in path.read_bytes()


def flip(folder: Path) -> None:
    """A bit of a slice's pixels."""
    path = folder / SLICE_0011
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)


def cut(folder: Path) -> None:
    """Its last bytes."""
    path = folder / SLICE_0011
    path.write_bytes(path.read_bytes()[:-40])


def exchange(folder: Path) -> None:
    """The contents of two slices, each behind the other's head."""
    first, second = folder / SLICE_0011, folder / "slice-0012.dcm"
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[0][:SEAL_BYTES] + contents[1][SEAL_BYTES:])


def make_plain(folder: Path) -> None:
    """A slice of the attacker's own."""
    path = folder / SLICE_0011
    dataset = pydicom.dcmread(BytesIO(read_file(path)))
    dataset.PixelData = bytes(len(dataset.PixelData))
    path.unlink()
    dataset.save_as(path)


def take_away(folder: Path) -> None:
    """The outermost slice."""
    (folder / "slice-0020.dcm").unlink()


@pytest.mark.parametrize("tamper", [flip, cut, exchange, make_plain, take_away])
def test_a_series_that_was_tampered_with_is_never_contoured(
    tamper: Callable[[Path], None],
    safe: Safe,
    slices: list[bytes],
    keep_series: KeepSeries,
    run: Callable[[], Job],
) -> None:
    """Whoever can write to the disk, and has no key."""
    digest = keep_series(slices)
    tamper(SeriesStore(safe.data).find_folder(digest))

    job = run()

    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert job.failure.code == "sealed-file-damaged"
    assert f"series/{digest}" in job.failure.reason
    assert not list((safe.data / "results").rglob("*.*"))


def test_a_job_waits_while_the_master_key_is_missing_and_is_done_after(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries, run: Callable[[], Job]
) -> None:
    """No attempt of it is spent, however long the key is away."""
    keep_series(slices)
    key_file = safe.settings.encryption_key_file
    assert key_file is not None
    away = key_file.with_name("away")
    key_file.rename(away)
    add_key(key_file)

    waiting = [run() for _ in range(10)]
    away.replace(key_file)
    done = run()

    assert {(job.state, job.attempt, job.transient_errors) for job in waiting} == {
        (JobState.PENDING, 0, 0)
    }
    assert (done.state, done.attempt) == (JobState.DONE, 1)


def test_a_key_that_goes_missing_in_the_middle_puts_the_job_off(
    safe: Safe,
    slices: list[bytes],
    keep_series: KeepSeries,
    run: Callable[[], Job],
    place: Workplace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error has a name, and the job is tried again."""
    keep_series(slices)
    key_file = safe.settings.encryption_key_file
    assert key_file is not None
    finding = place.series.check

    def lose_the_key(digest: str) -> None:
        finding(digest)
        key_file.unlink()
        add_key(key_file)
        keys = StudyKeys(safe.engine, key_file, safe.data, 600.0)  # which has opened nothing yet
        use_opener(safe.data, Vault(safe.engine, safe.data, keys).open)

    monkeypatch.setattr(place.series, "check", lose_the_key)

    job = run()

    assert job.state is JobState.RETRY
    assert job.failure is not None
    assert job.failure.code == "encryption-key-missing"
