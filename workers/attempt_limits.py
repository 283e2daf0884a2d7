"""How attempts end without a result: each cause is counted apart, and each has its limit.

Apart, because they mean different things: a series that kills the process which reads it is at
fault itself after a few times, while a machine that is switched off every evening is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workers.jobs import Failure, JobState


class Loss(StrEnum):
    """Why a worker's lease ended without a word from it; the value is the counting column."""

    CHILD_DEATH = "child_deaths"  # its process died, and the worker lived to say so
    LOST_LEASE = "lost_leases"  # the worker, or its machine, was gone


@dataclass(frozen=True)
class AttemptLimits:
    """How often each may happen to one job before it ends.

    After an error that may pass, the next attempt waits `first_pause_seconds`, twice as long each
    time, and no longer than `longest_pause_seconds`.
    """

    child_deaths: int = 3
    lost_leases: int = 10
    transient_errors: int = 5
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 300.0

    def find_limit(self, loss: Loss) -> int:
        """How many of these losses end a job."""
        return self.child_deaths if loss is Loss.CHILD_DEATH else self.lost_leases

    def find_pause_seconds(self, errors_before: int) -> float:
        """How long a job waits after an error that may pass."""
        return min(self.first_pause_seconds * 2.0**errors_before, self.longest_pause_seconds)

    def find_end(self, loss: Loss) -> tuple[JobState, Failure]:
        """What becomes of a job at the limit."""
        times = self.find_limit(loss)
        if loss is Loss.CHILD_DEATH:
            reason = (
                f"The process that ran this job died {times} times, while others finished theirs. "
                "The series may need more memory than the worker has: read the worker's log, then "
                "retry the job."
            )
            return JobState.POISONED, Failure("process-died", reason)
        reason = (
            f"The worker was lost {times} times while it ran this job: see whether its machine "
            "was switched off or out of memory, then retry the job."
        )
        return JobState.FAILED, Failure("worker-lost", reason)
