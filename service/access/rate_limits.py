"""How often somebody may ask in a minute, and how often an address may fail to be let in."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from contouring.errors import TooManyRequestsError
from service.access.principal import Principal


class RateLimits:
    """Counts within this process: a limit guards its threads, and needs no Redis to do so."""

    def __init__(self, requests_per_minute: int, failures_per_minute: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(requests_per_minute, namespace="requests")
        self._failures = RateLimitItemPerMinute(failures_per_minute, namespace="failures")

    def count_request(self, principal: Principal) -> None:
        """Raise `TooManyRequestsError` for one too many."""
        # Of a name, not of a key: one that is rotated has the same share.
        self._count(self._requests, f"{principal.kind} {principal.name}")

    def count_failure(self, address: str) -> None:
        """The same for somebody who was not let in."""
        self._count(self._failures, address or "nowhere")

    def _count(self, limit: RateLimitItemPerMinute, who: str) -> None:
        if self._limiter.hit(limit, who):
            return
        over_at = self._limiter.get_window_stats(limit, who).reset_time
        seconds = max(1, math.ceil(over_at - time.time()))
        raise TooManyRequestsError(who, str(seconds))
