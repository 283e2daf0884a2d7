"""Days of planning CTs: when each comes, how long a worker has it, and which are urgent.

What a day looks like is assumed, not taken from a hospital: `DayShape` has every number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.job_rows import URGENT_HEAD_START

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
# Of each hour from midnight on: the scanners run from seven to six, least at noon.
WORKING_DAY = (
    *(0.2, 0.2, 0.2, 0.2, 0.2, 0.5, 1.5, 5.0, 9.0, 11.0, 12.0, 11.0),
    *(7.0, 10.0, 11.0, 9.0, 6.0, 3.0, 1.5, 1.0, 0.6, 0.4, 0.3, 0.2),
)

SPREAD = 0.35  # of a job's seconds, their standard deviation over their mean: scans differ


@dataclass(frozen=True)
class DayShape:
    """How a day's CTs are spread over it.

    `by_hour`: weight of each hour from midnight on, in any unit. `group_size`: mean number of CTs
    that one sender sends in a row (geometric). `batch_share`: of all CTs, those that the hospitals
    keep for the evening; each sends its own in a row, beginning at any moment of `batch_hours`.
    `hospital_a_day`: CTs of one hospital; more come from more hospitals. `sending_s`: from one CT
    of a row to the next. `urgent_share`: of all CTs.
    """

    by_hour: tuple[float, ...] = WORKING_DAY
    group_size: float = 1.5
    batch_share: float = 0.1
    batch_hours: tuple[float, float] = (18.0, 20.0)
    hospital_a_day: float = 50.0
    sending_s: float = 1.0
    urgent_share: float = 0.05

    def __post_init__(self) -> None:
        if len(self.by_hour) != 24 or min(self.by_hour) < 0 or sum(self.by_hour) <= 0:
            raise ValueError("a day has 24 hours: give a weight for each, none below 0, not all 0")
        if self.group_size < 1:
            raise ValueError("nobody sends less than one CT in a row: group_size is at least 1")
        if not (0 <= self.batch_share <= 1 and 0 <= self.urgent_share <= 1):
            raise ValueError("batch_share and urgent_share are shares: from 0 to 1")


@dataclass(frozen=True)
class ServiceTime:
    """How long a worker has a job: any of `seconds` with the same chance, times a factor.

    The factor is log-normal, of mean 1 and standard deviation `spread`: scans differ in length.
    """

    seconds: tuple[float, ...]
    spread: float = SPREAD

    def __post_init__(self) -> None:
        if not self.seconds or min(self.seconds) <= 0 or self.spread < 0:
            raise ValueError("seconds are above 0, one at least, and their spread is not below 0")

    @property
    def mean_s(self) -> float:
        """Of all jobs."""
        return float(np.mean(self.seconds))

    def draw(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        """(count,) float64, seconds."""
        variance = np.log1p(self.spread**2)
        factor = random.lognormal(-variance / 2, np.sqrt(variance), count)
        return random.choice(self.seconds, count) * factor


@dataclass(frozen=True, eq=False)
class Jobs:
    """(jobs,) arrays in the order of arrival: seconds from the first midnight on."""

    arrival_s: NDArray[np.float64]
    service_s: NDArray[np.float64]
    is_urgent: NDArray[np.bool_]

    @property
    def turn_s(self) -> NDArray[np.float64]:
        """Whose is smallest goes next: urgent jobs count as having come earlier."""
        return self.arrival_s - self.is_urgent * URGENT_HEAD_START.total_seconds()


def draw_jobs(
    a_day: float, days: int, service: ServiceTime, shape: DayShape, random: np.random.Generator
) -> Jobs:
    """That many days in a row, with `a_day` CTs a day in the mean."""
    arrival_s = np.sort(
        np.concatenate(
            [_draw_groups(a_day, days, shape, random), _draw_batches(a_day, days, shape, random)]
        )
    )
    count = len(arrival_s)
    is_urgent = random.random(count) < shape.urgent_share
    return Jobs(arrival_s, service.draw(count, random), is_urgent)


def _draw_groups(
    a_day: float, days: int, shape: DayShape, random: np.random.Generator
) -> NDArray[np.float64]:
    """Groups come by chance (Poisson), as often as the hour's weight says."""
    groups_a_day = a_day * (1 - shape.batch_share) / shape.group_size
    weights = np.array(shape.by_hour) / sum(shape.by_hour)
    counts = random.poisson(groups_a_day * weights, (days, 24)).ravel()
    begin_s = (np.repeat(np.arange(24 * days), counts) + random.random(counts.sum())) * HOUR_S
    return _send_in_rows(begin_s, random.geometric(1 / shape.group_size, len(begin_s)), shape)


def _draw_batches(
    a_day: float, days: int, shape: DayShape, random: np.random.Generator
) -> NDArray[np.float64]:
    hospitals = max(1, round(a_day / shape.hospital_a_day))
    sizes = random.poisson(a_day * shape.batch_share / hospitals, days * hospitals)
    day_s = np.repeat(np.arange(days), hospitals) * DAY_S
    return _send_in_rows(
        day_s + random.uniform(*shape.batch_hours, len(sizes)) * HOUR_S, sizes, shape
    )


def _send_in_rows(
    begin_s: NDArray[np.float64], sizes: NDArray[np.int64], shape: DayShape
) -> NDArray[np.float64]:
    """The CTs of every row, one after the other, from its beginning on."""
    place_in_row = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(begin_s, sizes) + place_in_row * shape.sending_s
