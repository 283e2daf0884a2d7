"""The simulated line, against closed forms of queueing theory and what must hold of any line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.waiting_line import start_jobs

JOBS, RUNS = 60_000, 12
SERVICE_S = 3.0
SIGMAS = 4.0  # of the mean of all runs; the seeds are fixed, so chance has no say in CI

Line = tuple[list[int], list[int], list[int], int]


def mean_waits(
    rate: float, servers: int, kind: str, urgent_share: float = 0.0
) -> NDArray[np.float64]:
    """(runs, 2) float64: mean seconds of urgent jobs and of the others, run by run."""
    return np.array([_mean_wait(rate, servers, kind, urgent_share, run) for run in range(RUNS)])


def _mean_wait(
    rate: float, servers: int, kind: str, urgent_share: float, seed: int
) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    arrival_s = np.cumsum(random.exponential(1 / rate, JOBS))
    drawn = {
        "exponential": random.exponential(SERVICE_S, JOBS),
        "fixed": np.full(JOBS, SERVICE_S),
        "gamma": random.gamma(4.0, SERVICE_S / 4.0, JOBS),
    }
    is_urgent = random.random(JOBS) < urgent_share
    turn_s = arrival_s - is_urgent * 1e9  # before everybody
    wait_s = start_jobs(arrival_s, drawn[kind], turn_s, servers) - arrival_s
    late = np.arange(JOBS) > JOBS // 10  # the first jobs come to an empty line
    urgent = float(wait_s[late & is_urgent].mean()) if urgent_share else 0.0
    return urgent, float(wait_s[late & ~is_urgent].mean())


def assert_agrees(runs: NDArray[np.float64], expected: float) -> None:
    """Within the error of the runs' mean; and that error is small enough to tell something."""
    error = float(runs.std(ddof=1)) / math.sqrt(len(runs))
    assert error < 0.05 * expected
    assert abs(float(runs.mean()) - expected) < SIGMAS * error


def erlang_c(servers: int, offered: float) -> float:
    """Share of jobs that wait (A. K. Erlang, 1917); `offered`: mean number of busy servers."""
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("servers", [1, 2, 5, 20])
def test_many_servers_make_jobs_wait_as_erlang_says(servers: int) -> None:
    """M/M/c at four fifths of what the servers can do."""
    offered = 0.8 * servers
    expected = erlang_c(servers, offered) * SERVICE_S / (servers - offered)

    waits = mean_waits(offered / SERVICE_S, servers, "exponential")

    assert_agrees(waits[:, 1], expected)


@pytest.mark.parametrize(("kind", "variation"), [("fixed", 0.0), ("gamma", 0.5)])
def test_one_server_makes_jobs_wait_as_pollaczek_and_khinchine_say(
    kind: str, variation: float
) -> None:
    """M/D/1 and M/G/1; `variation`: the service's standard deviation over its mean."""
    busy = 0.7
    expected = busy * SERVICE_S * (1 + variation**2) / (2 * (1 - busy))

    waits = mean_waits(busy / SERVICE_S, 1, kind)

    assert_agrees(waits[:, 1], expected)


def test_urgent_jobs_wait_as_cobham_says() -> None:
    """One server that puts nothing down; a fifth of the jobs go before all others."""
    busy, share = 0.75, 0.2
    left = busy * SERVICE_S  # of the job at work, for whoever comes: rate times E(s²) / 2
    before_urgent = 1 - busy * share

    waits = mean_waits(busy / SERVICE_S, 1, "exponential", share)

    assert_agrees(waits[:, 0], left / before_urgent)
    assert_agrees(waits[:, 1], left / (before_urgent * (1 - busy)))


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Arrivals in order, services, turns; whole seconds, so that sums are exact."""
    count = draw(st.integers(1, 25))
    seconds = st.lists(st.integers(0, 40), min_size=count, max_size=count)
    arrivals = sorted(draw(seconds))
    services = draw(st.lists(st.integers(1, 30), min_size=count, max_size=count))
    ahead = draw(st.lists(st.sampled_from([0, 15]), min_size=count, max_size=count))
    turns = [arrival - start for arrival, start in zip(arrivals, ahead, strict=True)]
    return arrivals, services, turns, draw(st.integers(1, 4))


def run(line: Line, more: int = 0) -> list[float]:
    """Starts, with `more` servers than the line has."""
    arrivals, services, turns, servers = line
    come, last, turn = (np.array(values, float) for values in (arrivals, services, turns))
    return [float(start) for start in start_jobs(come, last, turn, servers + more)]


@given(lines())
def test_one_more_server_makes_nobody_wait_longer(line: Line) -> None:
    """Of the same jobs, where who comes first is served first."""
    arrivals, services, _, servers = line
    by_arrival = (arrivals, services, arrivals, servers)

    assert all(
        more <= fewer for more, fewer in zip(run(by_arrival, 1), run(by_arrival), strict=True)
    )


@given(lines())
def test_no_server_idles_while_a_job_waits(line: Line) -> None:
    """Urgent jobs or not: while anybody waits, every server is busy, and none has two jobs."""
    arrivals, services, _, servers = line
    starts = run(line)
    spans = [(start, start + service) for start, service in zip(starts, services, strict=True)]

    for moment in {*map(float, arrivals), *starts, *(end for _, end in spans)}:
        busy = sum(start <= moment < end for start, end in spans)
        waiting = sum(
            arrival <= moment < start for arrival, start in zip(arrivals, starts, strict=True)
        )
        assert busy <= servers
        assert busy == servers or waiting == 0


@given(lines())
def test_whoever_starts_is_the_one_whose_turn_it_is(line: Line) -> None:
    """As `LeaseStore.claim` takes them: the earliest turn of those that are there."""
    arrivals, _, turns, _ = line
    starts = run(line)

    for start, turn, arrival in zip(starts, turns, arrivals, strict=True):
        assert start >= arrival
        left_behind = [
            other
            for other, came, began in zip(turns, arrivals, starts, strict=True)
            if came <= start < began
        ]
        assert all(turn <= other for other in left_behind)
