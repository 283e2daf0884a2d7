"""How long a server waits for the bytes of one HTTP connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

from workers.limits import Limits


class Phase(Enum):
    """Whose turn it is on a connection."""

    HEAD = auto()  # the client's: a request's line and headers, or nothing yet
    BODY = auto()  # the client's: the request's content
    ANSWER = auto()  # ours


@dataclass(frozen=True)
class PatienceLimits:
    """Seconds, and bytes per second over each `rate_seconds` of a body."""

    head_seconds: float
    idle_seconds: float
    request_seconds: float
    least_bytes_per_second: float
    rate_seconds: float

    @classmethod
    def of(cls, limits: Limits) -> Self:
        """As a site has set them."""
        return cls(
            limits.http_head_seconds,
            limits.http_idle_seconds,
            limits.http_request_seconds,
            limits.http_least_bytes_per_second,
            limits.http_rate_seconds,
        )


class ClientPatience:
    """Told of everything that happens on a connection, it says when that is too little.

    Time in which the server itself reads nothing, for its disk is slower than the client, counts
    only towards the whole request, where that has an end. `now` is any clock that does not go back.
    """

    def __init__(self, limits: PatienceLimits, now: float) -> None:
        self._limits = limits
        self._phase = Phase.HEAD
        self.waiting_since = now  # for the head, if that is the phase
        self._looked_at = self._heard_at = self._window_began = now
        self._window_bytes = 0
        self._unread_since: float | None = None

    @property
    def phase(self) -> Phase:
        """Whose turn it is, as it was told last."""
        return self._phase

    def enter(self, phase: Phase, now: float) -> None:
        """It is somebody's turn; the same phase again changes nothing."""
        if phase is self._phase:
            return
        if phase is Phase.HEAD:
            self.waiting_since = now
        self._phase = phase
        self._heard_at = self._window_began = now
        self._window_bytes = 0

    def begin_request(self, now: float) -> None:
        """The first bytes of a request on a connection that served others before."""
        self.waiting_since = self._heard_at = now

    def hear(self, count: int, now: float) -> None:
        """So many bytes have come."""
        self._heard_at = now
        self._window_bytes += count

    def look(
        self, now: float, *, is_reading: bool, is_read: bool, brings_files: bool = False
    ) -> str | None:
        """What is wrong with the client, or None; to be asked every second or so.

        `is_reading`: whether this server takes what comes; `is_read`: whether the client takes
        what was written; `brings_files`: whether its request may take any time, at its least rate.
        """
        since_last, self._looked_at = now - self._looked_at, now
        if not is_read:
            self._unread_since = now if self._unread_since is None else self._unread_since
            if now - self._unread_since > self._limits.idle_seconds:
                return "it does not read its answer"
        else:
            self._unread_since = None
        if self._phase is Phase.HEAD:
            late = now - self.waiting_since > self._limits.head_seconds
            return "its request's headers do not end" if late else None
        if self._phase is Phase.BODY:
            if not is_reading:
                self._heard_at += since_last
                self._window_began += since_last
            return self._judge_body(now, brings_files)
        return None

    def _judge_body(self, now: float, brings_files: bool) -> str | None:
        limits = self._limits
        if not brings_files and now - self.waiting_since > limits.request_seconds:
            return "its request does not end"
        if now - self._heard_at > limits.idle_seconds:
            return "its request broke off"
        seconds = now - self._window_began
        if seconds < limits.rate_seconds:
            return None
        is_slow = self._window_bytes < limits.least_bytes_per_second * seconds
        self._window_began, self._window_bytes = now, 0
        return "its request comes too slowly" if is_slow else None
