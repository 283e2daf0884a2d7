"""A whole site in pieces, as docker-compose runs it: Redis, the service, and workers.

Each piece is a process group of its own. What ends is started again, as a restart policy would,
unless a trial holds it down.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis
from sqlalchemy import select

from service.client import Client
from tests.chaos.patients import Patient
from tests.keys import ENVIRONMENT, KEY, SHOWN
from tests.workers.processes import PostgreSQL, find_children, find_free_port, wait_until
from workers.database import open_engine
from workers.job_store import JobFilter, JobStore
from workers.jobs import TERMINAL, Job, JobState
from workers.settings import Settings
from workers.tables import jobs

REPOSITORY = Path(__file__).resolve().parents[2]
RESTART_SECONDS = 0.5
WATCH_SECONDS = 0.1
PAGE = 200

QUICK = {
    "OARLOCK_LEASE_SECONDS": "8",
    "OARLOCK_HEARTBEAT_SECONDS": "1",
    "OARLOCK_RECONCILE_SECONDS": "1",
}
"""Shorter than a site's, so that a test need not wait for a lease of half a minute."""


SERVICE_COMMAND = [sys.executable, "-m", "cli", "service"]
"""As the Dockerfile starts it."""

NODE_COMMAND = (sys.executable, "-m", "cli", "dimse")
"""The DICOM node, of a site whose environment has a port for it."""


@dataclass
class Part:
    """One process group; `is_wanted`: whether it is started again when it ends."""

    name: str
    command: Sequence[str]
    log: Path
    is_wanted: bool = True
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def is_up(self) -> bool:
        """Whether its main process runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it, in a session of its own."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=REPOSITORY,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.starts += 1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        if number is signal.SIGKILL:
            self.process.wait()

    @property
    def process_id(self) -> int:
        """Of the main process."""
        assert self.process is not None
        return self.process.pid


@dataclass
class Site:
    """The running pieces, and all that the site has promised so far."""

    folder: Path
    url: str
    parts: dict[str, Part]
    environment: dict[str, str]
    socket: Path
    postgresql: PostgreSQL | None = None
    acknowledged: dict[str, Patient] = field(default_factory=dict)  # by the job's id
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.engine = open_engine(self.database_url)
        self.jobs = JobStore(self.engine)
        self.http = httpx.Client(base_url=self.url, headers=SHOWN, timeout=60.0, trust_env=False)
        self.redis = redis.Redis.from_url(f"unix://{self.socket}", socket_timeout=5.0)
        self._watch = threading.Thread(target=self._restart, daemon=True)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def database_url(self) -> str:
        """URL of the jobs, as SQLAlchemy takes it."""
        if self.postgresql is not None:
            return Settings(database_url=self.postgresql.url).sql_url
        return f"sqlite:///{self.data / 'oarlock.sqlite'}"

    @property
    def workers(self) -> list[Part]:
        """The workers' pieces."""
        return [part for name, part in self.parts.items() if name.startswith("worker")]

    def send(self, patient: Patient) -> str:
        """Upload a patient's series; once acknowledged, the site has promised the job."""
        with Client(self.url, KEY) as client:
            answer = client.send(patient.files, {"model": "commissioning"})
        (job,) = answer["jobs"]
        self.acknowledged[job["id"]] = patient
        return str(job["id"])

    def list_jobs(self) -> list[Job]:
        """Every job of the database."""
        listed: list[Job] = []
        before = None
        while True:
            page = self.jobs.list_page(JobFilter(), PAGE, before)
            listed.extend(page.jobs)
            if not page.has_more:
                return listed
            before = page.jobs[-1].id

    def find_running(self, worker: Part) -> Job | None:
        """The job that a worker holds."""
        running = select(jobs.c.id, jobs.c.worker).where(jobs.c.state == JobState.RUNNING)
        with self.engine.connect() as connection:
            holders = {row.worker: row.id for row in connection.execute(running)}
        held = [
            job for name, job in holders.items() if int(name.split(":")[1]) == worker.process_id
        ]
        return self.jobs.find(held[0]) if held else None

    def find_child(self, worker: Part) -> int | None:
        """The process of a worker that runs its jobs."""
        return next(iter(find_children(worker.process_id)), None) if worker.is_up else None

    def count_open(self) -> int:
        """Acknowledged jobs that have not ended."""
        counts = self.jobs.count_by_state()
        return sum(count for state, count in counts.items() if state not in TERMINAL)

    def wait_until_ended(self, also: Callable[[], None] = lambda: None) -> None:
        """Return once no job is open; `also` is done at every look."""

        def is_over() -> bool:
            also()
            return self.count_open() == 0

        wait_until(is_over, f"the jobs of {self.folder} to end", 900.0)

    def is_ready(self) -> bool:
        """Whether the service says that it is."""
        try:
            return self.http.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def wait_until_ready(self) -> None:
        """Return once the service is ready."""
        wait_until(self.is_ready, f"the service; log: {self.parts['service'].log}")

    def hold_down(self, name: str) -> None:
        """Kill a piece, and do not start it again."""
        part = self.parts[name]
        part.is_wanted = False
        part.signal(signal.SIGKILL)

    def let_up(self, name: str) -> None:
        """Start a piece again that was held down."""
        self.parts[name].is_wanted = True

    def start(self) -> None:
        """Start every piece; on return the service is ready."""
        self._watch.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """End every piece."""
        self._ended.set()
        self._watch.join()
        for part in self.parts.values():
            if part.process is not None:
                part.signal(signal.SIGKILL)
        self.http.close()
        self.redis.close()
        self.engine.dispose()
        if self.postgresql is not None:
            shutil.rmtree(self.postgresql.folder)

    def _restart(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            for part in self.parts.values():
                if part.is_wanted and not part.is_up:
                    if part.process is not None:
                        part.signal(signal.SIGKILL)  # whatever it left behind
                        time.sleep(RESTART_SECONDS)
                    part.start(self.environment)


@contextmanager
def run_site(
    folder: Path,
    workers: int = 2,
    environment: Mapping[str, str] | None = None,
    prefixes: Mapping[str, Sequence[str]] | None = None,
    postgresql: PostgreSQL | None = None,
) -> Iterator[Site]:
    """A site of its own in `folder`; `prefixes`: commands to run a piece under, by its name.

    Its jobs are in SQLite, or in `postgresql`, which it takes over.
    """
    data, logs = folder / "data", folder / "logs"
    for each in (data, logs, folder / "redis"):
        each.mkdir(parents=True, exist_ok=True)
    socket = Path(tempfile.mkdtemp(prefix="chaos-")) / "redis.sock"
    port = find_free_port()
    commands = {
        **({} if postgresql is None else {"postgresql": postgresql.command}),
        "redis": _redis_command(folder / "redis", socket),
        "service": SERVICE_COMMAND,
        **({"dimse": NODE_COMMAND} if "OARLOCK_DIMSE_PORT" in (environment or {}) else {}),
        **{
            f"worker-{number}": [sys.executable, "-m", "tests.chaos.worker"]
            for number in range(workers)
        },
    }
    parts = {
        name: Part(name, [*(prefixes or {}).get(name, ()), *command], logs / f"{name}.log")
        for name, command in commands.items()
    }
    set_up = {
        **ENVIRONMENT,
        "OARLOCK_DATA": str(data),
        "OARLOCK_PORT": str(port),
        "OARLOCK_REDIS_URL": f"unix://{socket}",
        "OARLOCK_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OARLOCK_RESERVE_BYTES": "0",
        **({} if postgresql is None else {"OARLOCK_DATABASE_URL": postgresql.url}),
        **(environment or {}),
    }
    site = Site(folder, f"http://127.0.0.1:{port}", parts, set_up, socket, postgresql)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def _redis_command(folder: Path, socket: Path) -> list[str]:
    """As docker-compose.yml starts it."""
    return [
        *("redis-server", "--port", "0", "--unixsocket", str(socket), "--dir", str(folder)),
        *("--appendonly", "yes", "--maxmemory-policy", "noeviction"),
    ]
