"""A line of jobs before several servers, as Oarlock's workers take them.

Each server runs one job at a time and never puts it down for another; whoever is free takes the
job whose turn it is. The line's law is that of `workers/lease_store.py`; a heap of who waits is all
that it takes.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray


def start_jobs(
    arrival_s: NDArray[np.float64],
    service_s: NDArray[np.float64],
    turn_s: NDArray[np.float64],
    servers: int,
) -> NDArray[np.float64]:
    """When each job starts; all arrays are (jobs,) float64, seconds, in the order of arrival.

    `turn_s`: the smallest of those that wait goes next; of equal ones, who came first.
    """
    arrivals, services, turns = arrival_s.tolist(), service_s.tolist(), turn_s.tolist()
    starts = [0.0] * len(arrivals)
    free_at = [0.0] * servers
    waiting: list[tuple[float, int]] = []
    arrived, now = 0, 0.0
    for _ in arrivals:
        # Who waits came before `now`; a server may have been free for longer than that.
        now = max(now, free_at[0], 0.0 if waiting else arrivals[arrived])
        while arrived < len(arrivals) and arrivals[arrived] <= now:
            heapq.heappush(waiting, (turns[arrived], arrived))
            arrived += 1
        _, job = heapq.heappop(waiting)
        starts[job] = now
        heapq.heapreplace(free_at, now + services[job])
    return np.array(starts)
