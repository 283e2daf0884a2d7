"""The queue: Celery set up as transport only, so that it may lose or double any message."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu.connection import Connection

from workers.redis_urls import build_broker_url

QUEUE = "oarlock"
RUN_JOB = "oarlock.run_job"
MESSAGE_VERSION = 1
CONTENT_TYPE = "application/json"  # of every message; no other is read

LEAST_VISIBILITY_SECONDS = 3600  # the reconciler brings work back sooner
LONGEST_PAUSE_SECONDS = 4.0  # between two looks for a Redis that is away
KILL_GRACE_SECONDS = 120  # from a job's own time limit to the end of its process


class PatientConnection(Connection):
    """Looks for a Redis that is away every few seconds; kombu's own pauses grow to 30 s."""

    def _ensure_connection(self, *args: Any, **options: Any) -> Any:
        options.setdefault("interval_max", LONGEST_PAUSE_SECONDS)
        return super()._ensure_connection(*args, **options)  # type: ignore[no-untyped-call]


def build_queue(redis_url: str, job_seconds_limit: int) -> Celery:
    """The Celery application that publishers and workers share."""
    longest_seconds = job_seconds_limit + KILL_GRACE_SECONDS
    # A message that comes back while its job still runs would wake a worker for nothing.
    visibility_seconds = max(LEAST_VISIBILITY_SECONDS, 2 * longest_seconds)
    app = Celery("oarlock", broker=build_broker_url(redis_url), set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_acks_on_failure_or_timeout=True,
        task_time_limit=longest_seconds,
        task_soft_time_limit=job_seconds_limit,
        task_publish_retry_policy={
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
        visibility_timeout=visibility_seconds,
        broker_transport_options={
            "visibility_timeout": visibility_seconds,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_consumer="workers.message_gate:GatedConsumer",
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_pool="prefork",
        worker_max_tasks_per_child=100,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # The default of Celery 6 would kill a running job whenever Redis restarts.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        enable_utc=True,
    )
    app.amqp.Connection = PatientConnection
    return app


def build_message(job_id: str) -> dict[str, object]:
    """All that a message says: nothing about the patient, and the database knows the rest."""
    return {"v": MESSAGE_VERSION, "job": job_id}
