"""Tells workers, through Redis, that a job is waiting."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import redis
from kombu.exceptions import OperationalError

from workers.queue import QUEUE, RUN_JOB, build_message, build_queue

CONNECT_SECONDS = 5.0

log = logging.getLogger(__name__)


class Publisher:
    """Sends messages by the task's name, so that it need not import what a task needs."""

    def __init__(self, redis_url: str, job_seconds_limit: int) -> None:
        self._app = build_queue(redis_url, job_seconds_limit)
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
        )

    def publish(self, job_ids: Sequence[str]) -> tuple[str, ...]:
        """Send one message per job; the ids that Redis took, up to the first that it did not."""
        sent: list[str] = []
        for job_id in job_ids:
            try:
                self._app.send_task(RUN_JOB, args=[build_message(job_id)])
            except (OperationalError, redis.RedisError) as error:
                log.warning("the queue is unreachable, jobs wait in the database: %s", error)
                break
            sent.append(job_id)
        return tuple(sent)

    def count_messages(self) -> int | None:
        """Messages no worker has taken yet; None when Redis does not answer."""
        try:
            return int(self._redis.llen(QUEUE))
        except redis.RedisError:
            return None

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        self._redis.close()
