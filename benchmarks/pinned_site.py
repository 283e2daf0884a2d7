"""A whole site with workers on cores of their own: Redis, the service, real uploads, real jobs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.servers import KEY, find_free_port, run_process, wait_for
from benchmarks.throughput import Cores, Span
from service.client import Client
from workers.database import open_engine
from workers.job_store import JobFilter, JobStore
from workers.jobs import RETRYABLE, Job, JobState
from workers.redis_server import RedisServer
from workers.settings import Settings

LOOK_SECONDS = 1.0  # between two looks at the jobs; each look costs the workers a little
MOST_JOBS = 1000
DONE = re.compile(r"job (\S+): done$", re.MULTILINE)  # as `workers.tasks` writes it
LOG_TAIL = 3000  # characters


@dataclass(frozen=True)
class Worker:
    """A running worker; `log`: what it writes."""

    process: subprocess.Popen[bytes]
    log: Path


class PinnedSite:
    """A running service whose jobs wait until workers are started."""

    def __init__(self, folder: Path, url: str, environment: Mapping[str, str]) -> None:
        self._folder, self._url, self._environment = folder, url, environment
        self._engine = open_engine(Settings(data=Path(environment["OARLOCK_DATA"])).sql_url)
        self._jobs = JobStore(self._engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def send(self, files: Sequence[Path], model: str) -> None:
        """Upload one series by HTTP."""
        with Client(self._url, KEY) as client:
            answer = client.send(files, {"model": model})
        if len(answer["jobs"]) != 1:
            raise RuntimeError(f"the upload made no job of its own: {answer}")

    def run_jobs(
        self, cores_of_workers: Sequence[Cores], progress: Callable[[int], None]
    ) -> list[list[Span]]:
        """Start the workers, wait until every job has ended, and end the workers.

        Of each worker when it had its jobs, in their order. `progress` is told how many are done.
        """
        with ExitStack() as stack:
            workers = [
                stack.enter_context(self._run_worker(number, cores))
                for number, cores in enumerate(cores_of_workers)
            ]
            while (waiting := self._count_waiting(workers)) > 0:
                progress(len(self._list_jobs()) - waiting)
                time.sleep(LOOK_SECONDS)
        spans = {
            job.id: Span(job.started_at, job.finished_at)
            for job in self._list_jobs()
            if job.started_at is not None and job.finished_at is not None
        }
        progress(len(spans))
        return [[spans[name] for name in DONE.findall(each.log.read_text())] for each in workers]

    def read_runtime(self) -> str:
        """What ran the networks, by the report of a job."""
        job = self._list_jobs()[0]
        with Client(self._url, KEY) as client:
            report = json.loads(client.fetch(f"/v1/jobs/{job.id}/report"))
        return str(report["model"]["runtime"])

    def _list_jobs(self) -> tuple[Job, ...]:
        return self._jobs.list_page(JobFilter(), MOST_JOBS).jobs

    def _count_waiting(self, workers: Sequence[Worker]) -> int:
        """Jobs that have not ended; raises `RuntimeError` where they, or a worker, went astray."""
        counts = self._jobs.count_by_state()
        astray = [state for state in (JobState.RETRY, *RETRYABLE) if counts[state]]
        ended = [worker for worker in workers if worker.process.poll() is not None]
        if astray or ended:
            what = f"a job is {astray[0]}" if astray else "a worker has ended"
            logs = "\n".join(worker.log.read_text()[-LOG_TAIL:] for worker in ended or workers)
            raise RuntimeError(f"{what}; the log:\n{logs}")
        return sum(counts.values()) - counts[JobState.DONE]

    @contextmanager
    def _run_worker(self, number: int, cores: Cores) -> Iterator[Worker]:
        log = self._folder / f"worker-{number}.log"
        command = ["taskset", "--cpu-list", ",".join(map(str, cores)), sys.executable]
        # As a site would: without it a library may start a thread for each core of the machine.
        threads = {"OARLOCK_THREADS": str(len(cores)), "OMP_NUM_THREADS": str(len(cores))}
        environment = {**self._environment, **threads}
        with run_process([*command, "-m", "workers.worker"], log, environment) as process:
            yield Worker(process, log)


@contextmanager
def run_pinned_site() -> Iterator[PinnedSite]:
    """Redis and the service on whatever core is free: while jobs run they have little to do."""
    with TemporaryDirectory(prefix="pinned-site-") as name:
        folder = Path(name)
        redis = RedisServer(folder / "redis")
        redis.start()
        try:
            with _run_service(folder, redis.url) as site:
                yield site
        finally:
            redis.stop()


@contextmanager
def _run_service(folder: Path, redis_url: str) -> Iterator[PinnedSite]:
    port, log = find_free_port(), folder / "service.log"
    environment = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_PORT": str(port),
        "OARLOCK_REDIS_URL": redis_url,
        "OARLOCK_RESERVE_BYTES": "0",
        "OARLOCK_FIRST_KEY": KEY,
    }
    command = [sys.executable, "-m", "cli", "service"]
    with run_process(command, log, environment):
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health/ready", log)
        with closing(PinnedSite(folder, url, environment)) as site:
            yield site
