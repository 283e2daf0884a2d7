"""A delivery: one structure set on its way to one destination, or the news of a job's end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"  # for its first try, or for its next one
    HELD = "held"  # for a person, who looks at the result first
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"  # tried for days; a person may have it tried again


class JobEvent(StrEnum):
    """What a webhook may be told of."""

    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    DELIVERY_FAILED = "delivery-failed"


@dataclass(frozen=True)
class Delivery:
    """A row of the outbox at one moment.

    `event`: None where a structure set is sent, that of `template`; else what is told, and `about`
    which other delivery, if it is about one. `fence` rises with every claim. `error`: of the last
    try that failed, without a word of the patient.
    """

    id: str
    job_id: str
    destination: str
    template: str
    event: JobEvent | None
    about: str
    state: DeliveryState
    tries: int
    fence: int
    error: str
    note: str
    created_at: datetime
    tried_at: datetime | None
    next_try_at: datetime | None  # for people to read; None: at once, or never
    delivered_at: datetime | None


@dataclass(frozen=True)
class Pauses:
    """How long a delivery waits after each try, twice as long each time, and how often it is tried.

    The end is a number of tries, so that no clock that is set can bring it nearer.
    """

    first_seconds: float = 30.0
    longest_seconds: float = 3600.0
    total_hours: float = 72.0

    def find_seconds(self, tries: int) -> float:
        """The pause after so many tries, from 1."""
        doublings = min(tries - 1, self._doublings)
        return min(self.first_seconds * 2.0**doublings, self.longest_seconds)

    @property
    def tries_limit(self) -> int:
        """The tries whose pauses, but for the last one's, add up to the whole time or more."""
        total_seconds = 3600.0 * self.total_hours
        waited_seconds = 0.0
        tries = 1
        while tries <= self._doublings and waited_seconds < total_seconds:
            waited_seconds += self.find_seconds(tries)
            tries += 1
        rest_seconds = max(0.0, total_seconds - waited_seconds)
        return tries + math.ceil(rest_seconds / self.find_seconds(tries))

    @property
    def _doublings(self) -> int:
        """How often the first pause is doubled until it is the longest."""
        return max(0, math.ceil(math.log2(self.longest_seconds / self.first_seconds)))
