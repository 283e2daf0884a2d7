"""How many jobs workers end in an hour: what was measured, and the record that is kept of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

RECORD = Path(__file__).parent / "jobs_per_hour.json"
HOUR_S = 3600.0
QUIET_CORES = 0.1  # what others may keep busy before seconds and ratios are in doubt

Cores = tuple[int, ...]


@dataclass(frozen=True)
class Span:
    """When a worker began and ended a job."""

    began: datetime
    ended: datetime

    @property
    def seconds(self) -> float:
        """From the one to the other."""
        return (self.ended - self.began).total_seconds()


@dataclass(frozen=True)
class SetUp:
    """`cores`: those of each worker."""

    cores: tuple[Cores, ...]

    @property
    def workers(self) -> int:
        """How many."""
        return len(self.cores)

    @property
    def cores_each(self) -> int:
        """Of each worker; all have as many."""
        return len(self.cores[0])

    @property
    def name(self) -> str:
        """In words."""
        return name_set_up(self.workers, self.cores_each)


@dataclass(frozen=True)
class Run:
    """A set-up's jobs in one round, in seconds.

    `first_s`: of each worker's first job, which loads the model; `warm_s`: of the others, from
    start to end; `cycle_s`: from the end of a job to the end of the same worker's next, while all
    workers were warm and busy; `other_cores`: cores that others kept busy meanwhile.
    """

    first_s: tuple[float, ...]
    warm_s: tuple[float, ...]
    cycle_s: tuple[float, ...]
    other_cores: float


@dataclass(frozen=True)
class Throughput:
    """A set-up over all rounds; seconds are medians, but `cycle_s`, which holds every one."""

    workers: int
    cores_each: int
    first_job_s: float
    warm_job_s: float
    jobs_per_hour: float
    cycle_s: tuple[float, ...]
    other_cores: float

    @property
    def name(self) -> str:
        """In words."""
        return name_set_up(self.workers, self.cores_each)


@dataclass(frozen=True)
class Measurement:
    """`machine`: processor, versions and runtime; `upload_s`: median of a series by HTTP."""

    model: str
    series: str
    machine: str
    measured_on: str
    upload_s: float
    rows: tuple[Throughput, ...]

    def find(self, workers: int, cores_each: int) -> Throughput | None:
        """The row of a set-up, if it was measured."""
        wanted = (workers, cores_each)
        return next((row for row in self.rows if (row.workers, row.cores_each) == wanted), None)

    def find_busiest(self) -> Throughput:
        """The most workers with a core each: how a machine is used that has much to do."""
        return max(self.rows, key=lambda row: (row.workers, -row.cores_each))

    @property
    def is_quiet(self) -> bool:
        """Whether the machine was left alone while it was measured."""
        return all(row.other_cores <= QUIET_CORES for row in self.rows)

    @property
    def two_to_one(self) -> float | None:
        """Jobs per hour of two workers on a core each, over those of one worker on one core."""
        one, two = self.find(1, 1), self.find(2, 1)
        return two.jobs_per_hour / one.jobs_per_hour if one and two else None


def name_set_up(workers: int, cores_each: int) -> str:
    """So many workers with so many cores, in words."""
    cores = "1 core" if cores_each == 1 else f"{cores_each} cores"
    return f"1 worker, {cores}" if workers == 1 else f"{workers} workers, {cores} each"


def summarize(set_up: SetUp, runs: Sequence[Run]) -> Throughput:
    """All rounds of a set-up as one row; raises `ValueError` where nothing was measured warm."""
    cycles = tuple(second for run in runs for second in run.cycle_s)
    if not cycles:
        raise ValueError("no job began and ended while all workers were warm: give each more jobs")
    return Throughput(
        workers=set_up.workers,
        cores_each=set_up.cores_each,
        first_job_s=median(second for run in runs for second in run.first_s),
        warm_job_s=median(second for run in runs for second in run.warm_s),
        jobs_per_hour=set_up.workers * HOUR_S / median(cycles),
        cycle_s=cycles,
        other_cores=median(run.other_cores for run in runs),
    )


def build_run(spans_of_workers: Sequence[Sequence[Span]], other_cores: float) -> Run:
    """What jobs that have ended tell; of each worker, in the order in which it ran them."""
    if not all(spans_of_workers):
        raise ValueError("a worker had no job: give each more")
    all_warm_from = max(spans[0].ended for spans in spans_of_workers)
    all_busy_until = min(spans[-1].ended for spans in spans_of_workers)
    return Run(
        first_s=tuple(spans[0].seconds for spans in spans_of_workers),
        warm_s=tuple(span.seconds for spans in spans_of_workers for span in spans[1:]),
        cycle_s=tuple(
            (span.ended - before.ended).total_seconds()
            for spans in spans_of_workers
            for before, span in pairwise(spans)
            if before.ended >= all_warm_from and span.ended <= all_busy_until
        ),
        other_cores=other_cores,
    )


def write_record(measurement: Measurement, path: Path = RECORD) -> None:
    """Keep it, for pages that are written from it."""
    path.write_text(json.dumps(asdict(measurement), indent=1) + "\n", encoding="utf-8")


def read_record(path: Path = RECORD) -> Measurement:
    """What `write_record` kept."""
    record = json.loads(path.read_text(encoding="utf-8"))
    rows = tuple(
        Throughput(**{**row, "cycle_s": tuple(row["cycle_s"])}) for row in record.pop("rows")
    )
    return Measurement(**record, rows=rows)
