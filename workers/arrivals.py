"""An arrival: what one source sent of one series, from its first object until it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from workers.sources import Source

Contents = Mapping[str, str]
"""SHA-256 (hex) of each object's content by its SOP Instance UID."""


class ArrivalState(StrEnum):
    """Where an arrival stands."""

    RECEIVING = "receiving"  # more may come
    JUDGING = "judging"  # it is looked at; what comes now begins another arrival
    ACCEPTED = "accepted"  # it is whole and has jobs
    INCOMPLETE = "incomplete"  # slices are missing, and none came any more
    REFUSED = "refused"  # it is no series that can be contoured faithfully, or a rule refused it
    IGNORED = "ignored"  # it is no CT: acknowledged, counted and not kept
    SET_ASIDE = "set-aside"  # the same objects came again with other bytes before it was whole


OPEN = (ArrivalState.RECEIVING, ArrivalState.JUDGING)


@dataclass(frozen=True)
class Arrival:
    """An arrival as the store knows it at one moment.

    `received`: objects so far; `expected`: as many as the sender says it has, where it was asked;
    `quiet_seconds_left`: until it is judged if nothing more comes, None once it is; `evidence`: why
    it was taken as whole; `fault` and `reason`: why it has no job.
    """

    id: str
    state: ArrivalState
    source: Source
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    description: str
    received: int
    has_ended: bool  # the request or association that brought the last object is over
    expected: int | None
    quiet_seconds_left: float | None
    seconds_since_last: float  # object, or sign that one is on its way; of a clock that nobody sets
    lease_until: float | None  # of whoever judges it
    evidence: str
    fault: str
    reason: str
    job_ids: tuple[str, ...]
    created_at: datetime
    last_at: datetime  # when the last object came
    closed_at: datetime | None


@dataclass(frozen=True)
class Verdict:
    """How an arrival ended; `contents`: what it was judged on, with all that came before it."""

    state: ArrivalState
    evidence: str = ""
    fault: str = ""
    reason: str = ""
    job_ids: tuple[str, ...] = ()
    expected: int | None = None
    contents: Contents = field(default_factory=dict)
