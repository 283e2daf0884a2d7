"""The queue is made to agree with the database, whatever happens to Redis."""

from __future__ import annotations

import json
import os
import signal
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from tests.workers.processes import wait_until
from workers.housekeeping import Housekeeping
from workers.job_store import JobStore
from workers.jobs import JobState, NewJob
from workers.lease_store import LeaseStore
from workers.publisher import Publisher
from workers.queue import QUEUE
from workers.reconciler import Reconciler
from workers.redis_server import RedisServer
from workers.retention import Retention
from workers.retention_store import RetentionStore
from workers.series_store import STAGING_SECONDS, SeriesStore


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A look into the queue."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def publisher(redis_server: RedisServer) -> Iterator[Publisher]:
    """A publisher for the test's Redis."""
    publisher = Publisher(redis_server.url, job_seconds_limit=60)
    yield publisher
    publisher.close()


@pytest.fixture
def housekeeping(engine: Engine, tmp_path: Path) -> Housekeeping:
    """Nothing is due in it."""
    data = tmp_path / "data"
    return Housekeeping(data, RetentionStore(engine, Retention()), SeriesStore(data), 3600.0)


@pytest.fixture
def reconciler(
    jobs: JobStore, leases: LeaseStore, publisher: Publisher, housekeeping: Housekeeping
) -> Reconciler:
    """A reconciler whose rounds the test calls."""
    return Reconciler(jobs, leases, publisher, housekeeping, 3600.0)


def test_a_waiting_job_is_published_once(
    jobs: JobStore, reconciler: Reconciler, client: redis.Redis, new_job: Callable[..., NewJob]
) -> None:
    """More messages than jobs would pile up over a long night."""
    (job,) = jobs.add([new_job()])

    reconciler.reconcile()
    reconciler.reconcile()

    assert client.llen(QUEUE) == 1
    assert jobs.find(job.id).state is JobState.QUEUED


def test_a_message_names_the_job_and_nothing_else(
    jobs: JobStore, reconciler: Reconciler, client: redis.Redis, new_job: Callable[..., NewJob]
) -> None:
    """Nothing about a patient may lie in Redis."""
    (job,) = jobs.add([new_job("Surname^Firstname")])

    reconciler.reconcile()

    raw = client.lrange(QUEUE, 0, -1)[0]
    envelope = json.loads(raw)
    args, kwargs, _ = json.loads(b64decode(envelope["body"]))
    assert args == [{"v": 1, "job": job.id}]
    assert kwargs == {}
    assert b"Surname" not in raw
    assert b"1.2.3" not in raw


def test_messages_that_redis_lost_are_sent_again(
    jobs: JobStore, reconciler: Reconciler, client: redis.Redis, new_job: Callable[..., NewJob]
) -> None:
    """Redis may be emptied at any moment; the database has the jobs."""
    jobs.add([new_job(f"series {number}") for number in range(3)])
    reconciler.reconcile()

    client.flushall()
    reconciler.reconcile()

    assert client.llen(QUEUE) == 3


def test_jobs_wait_while_redis_is_gone(
    jobs: JobStore,
    reconciler: Reconciler,
    redis_server: RedisServer,
    client: redis.Redis,
    new_job: Callable[..., NewJob],
) -> None:
    """An upload at night must not depend on Redis."""
    (job,) = jobs.add([new_job()])
    redis_server.stop()
    reconciler.reconcile()
    state_meanwhile = jobs.find(job.id).state

    redis_server.start()
    reconciler.reconcile()

    assert state_meanwhile is JobState.PENDING
    assert jobs.find(job.id).state is JobState.QUEUED
    assert client.llen(QUEUE) == 1


def test_a_job_whose_worker_is_gone_is_published_again(
    jobs: JobStore,
    short_leases: LeaseStore,
    publisher: Publisher,
    housekeeping: Housekeeping,
    new_job: Callable[..., NewJob],
) -> None:
    """The lease, not the message, says that somebody works on it."""
    (job,) = jobs.add([new_job()])
    short_leases.claim("worker that dies")

    Reconciler(jobs, short_leases, publisher, housekeeping, 60.0).reconcile()

    assert jobs.find(job.id).state is JobState.QUEUED
    assert publisher.count_messages() == 1


def test_waking_the_thread_publishes_at_once(
    jobs: JobStore, reconciler: Reconciler, new_job: Callable[..., NewJob]
) -> None:
    """A new job does not wait for the next round, an hour away here."""
    reconciler.start()
    (job,) = jobs.add([new_job()])

    reconciler.wake()

    wait_until(lambda: jobs.find(job.id).state is JobState.QUEUED, "the job to be published")
    reconciler.stop()


def test_only_old_staging_folders_are_swept(reconciler: Reconciler, tmp_path: Path) -> None:
    """A young one belongs to an upload under way."""
    old, young = (tmp_path / "data" / "staging" / name for name in ("old", "young"))
    for folder in (old, young):
        folder.mkdir()
        (folder / "file").write_bytes(b"slice")
    past = old.stat().st_mtime - STAGING_SECONDS - 1
    os.utime(old, (past, past))

    reconciler.reconcile()

    assert not old.exists()
    assert young.exists()


def test_redis_keeps_messages_when_it_is_killed(
    publisher: Publisher, redis_server: RedisServer, client: redis.Redis
) -> None:
    """What Redis has written survives its crash without waiting for the reconciler."""
    publisher.publish(["job"])
    # Redis holds a write back for up to two seconds while an fsync is under way (its appendfsync
    # everysec). What the kernel has, a killed process does not lose.
    wait_until(
        lambda: client.info("persistence")["aof_buffer_length"] == 0, "Redis to write the message"
    )
    assert redis_server.process_id is not None
    os.kill(redis_server.process_id, signal.SIGKILL)
    wait_until(redis_server.is_dead, "Redis to die")

    redis_server.start()

    wait_until(lambda: publisher.count_messages() is not None, "Redis to answer")
    assert publisher.count_messages() == 1
