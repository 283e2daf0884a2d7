"""How many workers a day's CTs need: waiting times for each number of them, and the knee."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.arrivals import DAY_S, HOUR_S, DayShape, Jobs, ServiceTime, draw_jobs
from benchmarks.waiting_line import start_jobs

MOST_WORKERS = 64
GOALS_S = (300.0, 60.0)  # that 95 of 100 jobs start within
BARELY_S = 1.0  # a wait that nobody notices; more workers than end it are not looked at
# Days that are simulated: enough for about so many jobs, within bounds.
JOBS, FEWEST_DAYS, MOST_DAYS = 200_000, 6, 1000


@dataclass(frozen=True)
class Waits:
    """Seconds from a job's arrival to its start, with so many workers.

    `utilisation`: share of the day in which a worker is busy; `busiest_hour`: work that comes in
    the hour of the day with most of it, over what the workers can do in an hour (above 1 the line
    grows).
    """

    workers: int
    p50_s: float
    p95_s: float
    p99_s: float
    urgent_p95_s: float
    utilisation: float
    busiest_hour: float


@dataclass(frozen=True)
class Sizing:
    """One load; `waits`: by rising number of workers, from the first that keep up with a day."""

    a_day: float
    service: ServiceTime
    waits: tuple[Waits, ...]

    def find_knee(self, goal_s: float) -> Waits | None:
        """The fewest workers with which 95 of 100 jobs start within the goal, if any do."""
        return next((waits for waits in self.waits if waits.p95_s <= goal_s), None)


def size(
    a_day: float,
    service: ServiceTime,
    shape: DayShape,
    most_workers: int = MOST_WORKERS,
    seed: int = 0,
) -> Sizing:
    """Try every number of workers on the same jobs, until nobody waits."""
    if a_day <= 0:
        raise ValueError(f"{a_day:g} CTs a day are nothing to size for: give more than 0")
    days = min(MOST_DAYS, max(FEWEST_DAYS, math.ceil(JOBS / a_day)))
    jobs = draw_jobs(a_day, days, service, shape, np.random.default_rng(seed))
    found: list[Waits] = []
    for workers in range(_count_needed(jobs, days), most_workers + 1):
        found.append(measure_waits(jobs, days, workers))
        if found[-1].p95_s < BARELY_S:
            break
    return Sizing(a_day, service, tuple(found))


def measure_waits(jobs: Jobs, days: int, workers: int) -> Waits:
    """Waits from the second day on: the first begins with an empty line."""
    wait_s = start_jobs(jobs.arrival_s, jobs.service_s, jobs.turn_s, workers) - jobs.arrival_s
    counts = jobs.arrival_s >= DAY_S
    p50, p95, p99 = _percentiles(wait_s[counts], (50, 95, 99))
    (urgent_p95,) = _percentiles(wait_s[counts & jobs.is_urgent], (95,))
    hour_of_day = (jobs.arrival_s % DAY_S // HOUR_S).astype(int)
    work_by_hour_s = np.bincount(hour_of_day, jobs.service_s, minlength=24) / days
    return Waits(
        workers=workers,
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        urgent_p95_s=urgent_p95,
        utilisation=float(work_by_hour_s.sum() / (workers * DAY_S)),
        busiest_hour=float(work_by_hour_s.max() / (workers * HOUR_S)),
    )


def _count_needed(jobs: Jobs, days: int) -> int:
    """The fewest workers that do in a day what comes in a day; with fewer the line never ends."""
    return math.floor(float(jobs.service_s.sum()) / (days * DAY_S)) + 1


def _percentiles(values: np.ndarray, asked: Sequence[float]) -> list[float]:
    return (
        [float(value) for value in np.percentile(values, asked)]
        if len(values)
        else [0.0] * len(asked)
    )
