"""A real Celery worker on a real Redis: jobs are done, also when processes die."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle  # noqa: TID251 - what a worker must refuse
import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pydicom
import pytest
import redis

from contouring.dicom_series import find_series
from contouring.phantom_scan import Scan, even_offsets
from contouring.phantom_series import write_phantom
from models.bundles import RELEASED, find_bundles
from tests.phantoms import write_small_series
from tests.workers.processes import find_children, run_worker, wait_until
from workers.attempt_limits import AttemptLimits
from workers.database import migrate, open_engine
from workers.housekeeping import Housekeeping
from workers.job_store import JobStore
from workers.jobs import Job, JobState, NewJob, Priority, build_series_digest
from workers.lease_store import LeaseStore
from workers.publisher import Publisher
from workers.queue import CONTENT_TYPE, QUEUE, RUN_JOB
from workers.reconciler import Reconciler
from workers.redis_server import RedisServer
from workers.result_store import ResultStore
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.series_store import SeriesStore

LONG_SCAN = Scan(slice_offsets_mm=even_offsets(40, 2.5))  # long enough to be killed in its middle
LEASE_SECONDS = 12.0  # longer than a new child takes to start on a busy machine
CHILD_DEATHS_LIMIT = 2


@dataclass(frozen=True)
class Desk:
    """The server's side of a worker under test."""

    jobs: JobStore
    reconciler: Reconciler
    series: SeriesStore
    results: ResultStore
    environment: dict[str, str]
    log: Path

    def send(self, files: list[Path]) -> Job:
        """Record a job for a series."""
        (series,) = find_series(files).series
        digest = build_series_digest(
            (one.sop_instance_uid, hashlib.sha256(one.path.read_bytes()).hexdigest())
            for one in series.instances
        )
        self.series.keep(digest, [one.path for one in series.instances])
        bundle = find_bundles((RELEASED,))["commissioning"]
        new_job = NewJob(
            series_digest=digest,
            study_instance_uid=series.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
            series_description=series.description,
            slice_count=len(series.instances),
            model_name=bundle.card.name,
            model_checksum=bundle.checksum,
            parameters={},
            priority=Priority.NORMAL,
            warnings=(),
        )
        (job,) = self.jobs.add([new_job])
        return job

    def wait_for(self, job: Job, *states: JobState, stage: str | None = None) -> Job:
        """The job once it is in one of these states, reconciling as the server would."""

        def has_come() -> bool:
            self.reconciler.reconcile()
            now = self.jobs.find(job.id)
            return now.state in states and stage in (None, now.stage)

        wait_until(has_come, f"{' or '.join(states)}; log: {self.log.read_text()[-2000:]}")
        return self.jobs.find(job.id)


@pytest.fixture
def desk(tmp_path: Path, redis_server: RedisServer) -> Iterator[Desk]:
    """Stores of an empty server."""
    data = tmp_path / "data"
    data.mkdir()
    url = f"sqlite:///{data}/oarlock.sqlite"
    engine = open_engine(url)
    migrate(engine)
    jobs, series = JobStore(engine), SeriesStore(data)
    publisher = Publisher(redis_server.url, job_seconds_limit=600)
    leases = LeaseStore(engine, LEASE_SECONDS, AttemptLimits())
    housekeeping = Housekeeping(data, RetentionStore(engine, Retention()), series, 3600.0)
    reconciler = Reconciler(jobs, leases, publisher, housekeeping, pause_seconds=3600.0)
    environment = {
        "OARLOCK_DATA": str(data),
        "OARLOCK_REDIS_URL": redis_server.url,
        "OARLOCK_LEASE_SECONDS": str(LEASE_SECONDS),
        "OARLOCK_HEARTBEAT_SECONDS": "0.5",
        "OARLOCK_CHILD_DEATHS_LIMIT": str(CHILD_DEATHS_LIMIT),
        "OARLOCK_THREADS": "1",
    }
    log = tmp_path / "worker.log"
    log.touch()
    yield Desk(jobs, reconciler, series, ResultStore(data), environment, log)
    publisher.close()
    engine.dispose()


def test_a_job_whose_workers_die_is_run_again_and_gives_one_whole_result(
    desk: Desk, tmp_path: Path
) -> None:
    """Neither the death of the pool's child nor of the whole group may lose a patient's job."""
    job = desk.send(write_phantom(tmp_path / "ct", scan=LONG_SCAN))

    with run_worker(desk.environment, desk.log) as first:
        desk.wait_for(job, JobState.RUNNING, stage="segment")
        os.killpg(first.pid, signal.SIGKILL)
    with run_worker(desk.environment, desk.log):
        done = desk.wait_for(job, JobState.DONE, JobState.FAILED)

    assert (done.state, done.attempt, done.lost_leases) == (JobState.DONE, 2, 1)
    assert done.child_deaths == 0
    assert done.result_folder is not None
    rtstruct = desk.results.find_file(done.result_folder, done.outputs[0].rtstruct)
    assert pydicom.dcmread(rtstruct).Modality == "RTSTRUCT"
    attempts = [path.name for path in rtstruct.parent.parent.iterdir()]
    assert attempts == [rtstruct.parent.name]


def test_a_job_that_kills_its_process_every_time_is_set_aside_and_the_worker_stays(
    desk: Desk, tmp_path: Path
) -> None:
    """The next patient's job is done by the same worker, whose main process never died."""
    poison = desk.send(write_phantom(tmp_path / "ct", scan=LONG_SCAN))

    with run_worker(desk.environment, desk.log) as worker:
        for attempt in range(1, CHILD_DEATHS_LIMIT + 1):
            wait_until(partial(_is_segmenting, desk, poison, attempt), f"attempt {attempt}")
            for child in find_children(worker.pid):
                os.kill(child, signal.SIGKILL)
        poisoned = desk.wait_for(poison, JobState.POISONED, JobState.FAILED, JobState.DONE)
        healthy = desk.send(write_small_series(tmp_path / "small"))
        done = desk.wait_for(healthy, JobState.DONE, JobState.FAILED)
        has_survived = worker.poll() is None

    assert (poisoned.state, poisoned.child_deaths) == (JobState.POISONED, CHILD_DEATHS_LIMIT)
    assert poisoned.lost_leases == 0
    assert poisoned.failure is not None
    assert poisoned.failure.code == "process-died"
    assert poisoned.result_folder is None
    assert (done.state, has_survived) == (JobState.DONE, True)


def test_a_series_that_cannot_be_read_is_refused_with_the_slice_named(
    desk: Desk, tmp_path: Path
) -> None:
    """Pixels are read by the worker; the sender must learn what was wrong."""
    files = write_small_series(tmp_path / "small")
    broken = pydicom.dcmread(files[3])
    broken.PixelData = broken.PixelData[:100]
    broken.save_as(files[3])
    job = desk.send(files)

    with run_worker(desk.environment, desk.log):
        refused = desk.wait_for(job, JobState.REFUSED, JobState.FAILED, JobState.DONE)

    assert refused.state is JobState.REFUSED
    assert (refused.stage, refused.result_folder) == ("read", None)
    assert refused.failure is not None
    assert refused.failure.reason.startswith("The pixels of the slice at z = ")
    assert ".dcm" not in refused.failure.reason  # the store's name, which no sender knows


def test_a_running_job_can_be_cancelled(desk: Desk, tmp_path: Path) -> None:
    """The worker sees it in the database, between two steps."""
    job = desk.send(write_phantom(tmp_path / "ct", scan=LONG_SCAN))

    with run_worker(desk.environment, desk.log):
        desk.wait_for(job, JobState.RUNNING, stage="segment")
        desk.jobs.cancel(job.id)
        ended = desk.wait_for(job, JobState.CANCELLED, JobState.DONE)

    assert ended.state is JobState.CANCELLED
    assert ended.result_folder is None


def _is_segmenting(desk: Desk, job: Job, attempt: int) -> bool:
    desk.reconciler.reconcile()
    now = desk.jobs.find(job.id)
    return (now.state, now.attempt, now.stage) == (JobState.RUNNING, attempt, "segment")


class Planted:
    """What a stranger who can write to Redis would put there: unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._mark),)


def build_message_of(kind: str, body: bytes, task: str | None = RUN_JOB) -> str:
    """As it lies in Redis."""
    headers = {} if task is None else {"task": task, "id": kind, "lang": "py"}
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": kind,
            "content-encoding": "utf-8" if kind == CONTENT_TYPE else "binary",
            "headers": headers,
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
                "delivery_info": {"exchange": "", "routing_key": QUEUE},
            },
        }
    )


def test_what_a_stranger_put_into_the_queue_is_thrown_away_and_never_unpickled(
    desk: Desk, redis_server: RedisServer, tmp_path: Path
) -> None:
    """It would run as the worker, who can read every series; and the worker goes on."""
    mark = tmp_path / "mark"
    harm = pickle.dumps(((Planted(mark),), {}, {}))
    kinds = ("application/x-python-serialize", "pickle", "application/x-yaml", "application/data")
    planted = [build_message_of(kind, harm) for kind in (*kinds, "", CONTENT_TYPE)]
    planted += [build_message_of(kind, harm, task=None) for kind in kinds[::3]]
    planted += [build_message_of(CONTENT_TYPE, b"[5, 5, 5]", task) for task in (RUN_JOB, "a.b")]
    planted += [build_message_of(CONTENT_TYPE, text) for text in (b"5", b"{}", b"[]", b"null")]
    with redis.Redis.from_url(redis_server.url) as client:
        client.lpush(QUEUE, *planted)
        with run_worker(desk.environment, desk.log) as worker:
            wait_until(
                lambda: not client.llen(QUEUE) and not client.hlen("unacked"),
                f"every message to be answered; log: {desk.log.read_text()[-2000:]}",
            )
            job = desk.send(write_small_series(tmp_path / "ct"))
            done = desk.wait_for(job, JobState.DONE, JobState.FAILED)
            is_the_same = worker.poll() is None

    assert (done.state, is_the_same) == (JobState.DONE, True)
    assert (
        desk.log.read_text().count("that Oarlock did not send is thrown away: it is not JSON") == 7
    )
    assert not mark.exists()


def test_the_planted_message_would_do_harm_if_it_were_read(tmp_path: Path) -> None:
    """Or the test above could not fail."""
    pickle.loads(pickle.dumps(Planted(tmp_path / "mark")))  # noqa: S301

    assert (tmp_path / "mark").exists()


def test_a_message_says_which_job_and_nothing_else(redis_server: RedisServer) -> None:
    """Redis is on another machine perhaps, and keeps what it is sent in files of its own."""
    publisher = Publisher(redis_server.url, job_seconds_limit=600)
    job_id = str(uuid.uuid4())

    publisher.publish([job_id])
    with redis.Redis.from_url(redis_server.url) as client:
        (raw,) = client.lrange(QUEUE, 0, -1)
    publisher.close()

    message = json.loads(raw)
    arguments, keywords, _ = json.loads(base64.b64decode(message["body"]))
    assert message["content-type"] == "application/json"
    assert (arguments, keywords) == ([{"v": 1, "job": job_id}], {})
    assert message["headers"]["argsrepr"] == str(arguments)
    assert message["headers"]["kwargsrepr"] == "{}"
