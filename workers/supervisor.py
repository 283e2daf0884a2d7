"""Keeps running what `oarlock serve` needs beside it: a worker, and a Redis if none is given."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from workers.child_process import kill_group, stop_process, tie_to_parent
from workers.companion import Companion
from workers.lease_store import LeaseStore
from workers.redis_server import RedisServer, RedisServerError
from workers.worker_names import build_worker_name

WATCH_SECONDS = 0.5
RESTART_PAUSE_SECONDS = 2.0  # a worker that cannot start must not take a whole core
COMPANION_STOP_SECONDS = 15.0
STOP_GRACE_SECONDS = 5.0  # for a worker to stop by itself, beside what it gives its job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    name: str  # in its leases; known while it lives


class Supervisor:
    """Starts again what dies; what a dead worker held is put back into line at once.

    One thread starts, watches and stops: the kernel ends a child with the thread it came from.
    """

    def __init__(
        self,
        redis_server: RedisServer | None,
        leases: LeaseStore,
        stop_seconds: float,
        companions: Sequence[Companion] = (),
    ) -> None:
        self._companions = companions
        self._redis_server = redis_server
        self._leases = leases
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the worker and watch it."""
        self._thread.start()

    def stop(self) -> None:
        """Give the worker time to finish its job, put the job back if it does not, stop Redis."""
        self._stopping.set()
        self._thread.join()
        if self._redis_server is not None:
            self._redis_server.stop()

    def _watch(self) -> None:
        worker = _start_worker()
        while not self._stopping.wait(WATCH_SECONDS):
            self._keep_redis()
            for companion in self._companions:
                companion.keep()
            if worker.process.poll() is not None:
                worker = self._replace_worker(worker)
        for companion in self._companions:
            companion.ask_to_stop()
        stop_process(worker.process, self._stop_seconds + STOP_GRACE_SECONDS)
        for companion in self._companions:
            companion.stop(COMPANION_STOP_SECONDS)
        self._give_back(worker, counted=False)

    def _keep_redis(self) -> None:
        if self._redis_server is None or not self._redis_server.is_dead():
            return
        log.error("Redis has ended and is started again")
        try:
            self._redis_server.start()
        except (RedisServerError, OSError):
            log.exception("Redis did not start; trying again")

    def _replace_worker(self, dead: _Worker) -> _Worker:
        status = dead.process.returncode
        log.error("the worker has ended (status %s) and is started again", status)
        kill_group(dead.process)
        self._give_back(dead, counted=True)
        self._stopping.wait(RESTART_PAUSE_SECONDS)
        return _start_worker()

    def _give_back(self, worker: _Worker, *, counted: bool) -> None:
        try:
            if counted:
                self._leases.lose_worker(worker.name)
            else:
                self._leases.release_worker(worker.name)
        except SQLAlchemyError:
            log.exception("the jobs of %s wait until their leases are over", worker.name)


def _start_worker() -> _Worker:
    process = subprocess.Popen(  # nosec B603 # our own interpreter
        tie_to_parent([sys.executable, "-m", "workers.worker"]),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    return _Worker(process, build_worker_name(process.pid))
