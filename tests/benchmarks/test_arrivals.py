"""Days of planning CTs that are made up: what they are said to be, they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.arrivals import DAY_S, HOUR_S, WORKING_DAY, DayShape, Jobs, ServiceTime, draw_jobs

DAYS, A_DAY = 400, 500
SERVICE = ServiceTime((2.0, 4.0), spread=0.35)


def jobs_of(shape: DayShape) -> Jobs:
    """Many days of a shape."""
    return draw_jobs(A_DAY, DAYS, SERVICE, shape, np.random.default_rng(5))


def test_a_day_has_the_cts_that_were_asked_for() -> None:
    """In the mean, rows and evening batches included, and in the order of arrival."""
    jobs = jobs_of(DayShape())

    assert len(jobs.arrival_s) / DAYS == pytest.approx(A_DAY, rel=0.01)
    assert jobs.is_urgent.mean() == pytest.approx(DayShape().urgent_share, abs=0.002)
    assert np.all(np.diff(jobs.arrival_s) >= 0)


def test_the_hours_have_their_weights() -> None:
    """Noon is quieter than ten o'clock by as much as the day's shape says."""
    jobs = jobs_of(DayShape(batch_share=0.0))
    by_hour = np.bincount((jobs.arrival_s % DAY_S // HOUR_S).astype(int), minlength=24)

    shares = by_hour / by_hour.sum()

    assert shares == pytest.approx(np.array(WORKING_DAY) / sum(WORKING_DAY), abs=0.003)


def test_what_is_kept_for_the_evening_comes_in_rows_of_one_hospital() -> None:
    """Ten hospitals send fifty each: rows that begin from six to eight, a second between CTs."""
    shape = DayShape(batch_share=1.0, hospital_a_day=50.0)

    arrival_s = jobs_of(shape).arrival_s

    of_day_s = arrival_s % DAY_S
    assert of_day_s.min() >= shape.batch_hours[0] * HOUR_S
    assert of_day_s.max() < shape.batch_hours[1] * HOUR_S + 100 * shape.sending_s
    one = draw_jobs(50, 1, SERVICE, shape, np.random.default_rng(5)).arrival_s
    assert np.diff(one) == pytest.approx(shape.sending_s)


def test_bursts_change_when_cts_come_and_not_how_many() -> None:
    """The number of a minute scatters more with rows than without."""
    single, rows = (
        np.bincount((jobs_of(shape).arrival_s // 60).astype(int))
        for shape in (DayShape(group_size=1.0, batch_share=0.0), DayShape(group_size=3.0))
    )

    assert rows.mean() == pytest.approx(single.mean(), rel=0.02)
    assert rows.var() > 1.5 * single.var()


def test_service_times_have_the_mean_and_the_spread_that_were_asked_for() -> None:
    """Two seconds and four with the same chance, and scans that differ by a third."""
    seconds = SERVICE.draw(200_000, np.random.default_rng(2))

    assert seconds.min() > 0
    assert seconds.mean() == pytest.approx(SERVICE.mean_s, rel=0.005)
    # Variances of the choice, and of the factor at each of its outcomes.
    assert seconds.var() == pytest.approx(1.0 + 0.35**2 * 10.0, rel=0.03)


def test_urgent_jobs_count_as_having_come_half_an_hour_earlier() -> None:
    """As in the database: not before everybody, but before those of the last half hour."""
    jobs = Jobs(np.array([0.0, 1000.0]), np.ones(2), np.array([False, True]))

    assert jobs.turn_s.tolist() == [0.0, 1000.0 - 1800.0]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"by_hour": (1.0,) * 23}, "a day has 24 hours"),
        ({"by_hour": (0.0,) * 24}, "a day has 24 hours"),
        ({"group_size": 0.5}, "group_size is at least 1"),
        ({"batch_share": 1.1}, "from 0 to 1"),
        ({"urgent_share": -0.1}, "from 0 to 1"),
    ],
)
def test_a_day_that_cannot_be_is_refused(wrong: dict[str, Any], reason: str) -> None:
    """A slip on the command line must not size a purchase."""
    with pytest.raises(ValueError, match=reason):
        replace(DayShape(), **wrong)


@pytest.mark.parametrize(("seconds", "spread"), [((), 0.3), ((0.0,), 0.3), ((3.0,), -0.1)])
def test_service_times_that_cannot_be_are_refused(
    seconds: tuple[float, ...], spread: float
) -> None:
    """As above."""
    with pytest.raises(ValueError, match="seconds are above 0"):
        ServiceTime(seconds, spread)
