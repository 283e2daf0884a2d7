"""A job: one CT series, one model, its parameters; its states and what it leaves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from contouring.notices import Notice
from contouring.structures import Status

OUTPUT_SCHEMA = 2
"""Raised when the same input and model must give new files."""


class JobState(StrEnum):
    """Where a job stands."""

    PENDING = "pending"  # recorded, no worker told yet
    QUEUED = "queued"  # a worker has been told
    RUNNING = "running"  # a worker holds its lease
    RETRY = "retry"  # an error that may pass stopped it; it waits for its next attempt
    DONE = "done"
    PARTIAL = "partial"  # a structure failed: its files are held until a person releases them
    FAILED = "failed"
    REFUSED = "refused"  # its pixels cannot be contoured faithfully
    POISONED = "poisoned"  # it killed the process that ran it, time and again
    CANCELLED = "cancelled"
    PURGED = "purged"  # kept long enough: nothing of the patient is left


class Priority(StrEnum):
    """Whether a job may go before older ones."""

    NORMAL = "normal"
    URGENT = "urgent"


# RUNNING to PENDING: the worker was lost. From an end to PENDING: a person wants it again.
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {
            JobState.DONE,
            JobState.PARTIAL,
            JobState.FAILED,
            JobState.REFUSED,
            JobState.POISONED,
            JobState.CANCELLED,
            JobState.RETRY,
            JobState.PENDING,
        }
    ),
    JobState.RETRY: frozenset({JobState.PENDING, JobState.CANCELLED}),
    JobState.DONE: frozenset({JobState.PURGED}),
    JobState.PARTIAL: frozenset({JobState.DONE, JobState.PENDING}),
    JobState.FAILED: frozenset({JobState.PENDING, JobState.PURGED}),
    JobState.REFUSED: frozenset({JobState.PENDING, JobState.PURGED}),
    JobState.POISONED: frozenset({JobState.PENDING, JobState.PURGED}),
    JobState.CANCELLED: frozenset({JobState.PENDING, JobState.PURGED}),
    JobState.PURGED: frozenset(),
}


def find_sources(target: JobState) -> tuple[JobState, ...]:
    """States from which `target` can be reached, in the enum's order."""
    return tuple(state for state in JobState if target in TRANSITIONS[state])


CLAIMABLE = find_sources(JobState.RUNNING)
WAITING = (*CLAIMABLE, JobState.RETRY)
FORGETTABLE = (JobState.FAILED, JobState.REFUSED, JobState.POISONED, JobState.CANCELLED)
RETRYABLE = (JobState.PARTIAL, *FORGETTABLE)
TERMINAL = (JobState.DONE, *RETRYABLE, JobState.PURGED)


@dataclass(frozen=True)
class StructureRecord:
    """What became of one structure that a template wants.

    `name`: as its structure set has it; `source`: the model's structure or a derived one.
    """

    template: str
    name: str
    source: str
    status: Status
    reason: str
    volume_cm3: float
    slices: int
    contours: int
    flags: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class OutputRecord:
    """What a job leaves for one template: names of files in its result's folder."""

    template: str
    rtstruct: str
    segmentation: str | None = None


@dataclass(frozen=True)
class PlannedDelivery:
    """Where a job's result goes once it is done.

    `template`: the rule's wish, which the destination's own outweighs; None means the job's first.
    `is_held`: a person looks at the result before it leaves. `events`: what the destination is told
    of instead of being sent structure sets.
    """

    destination: str
    template: str | None = None
    is_held: bool = False
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a job failed, was refused or is held: a stable code and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True)
class NewJob:
    """What is known of a job before it is stored.

    `instances`: SHA-256 (hex) of each file by its SOP Instance UID; `rule`: the one that made it,
    empty where a person did; `is_shadow`: its result is compared and stays here.
    """

    series_digest: str
    study_instance_uid: str
    series_instance_uid: str
    series_description: str
    slice_count: int
    model_name: str
    model_checksum: str
    parameters: Mapping[str, object]
    priority: Priority
    warnings: tuple[str, ...]
    instances: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    planned: tuple[PlannedDelivery, ...] = ()
    is_shadow: bool = False
    request_id: str | None = None  # of the one that brought it; None where none did
    project: str | None = None  # whose it is alone; None means the whole site's
    patient_id: str = ""

    @property
    def key(self) -> str:
        """Identity: the same series, model and parameters have the same key in one project."""
        return build_job_key(self.series_digest, self.model_checksum, self.parameters, self.project)


@dataclass(frozen=True)
class Job:
    """A job as the store knows it at one moment."""

    id: str
    key: str
    state: JobState
    priority: Priority
    series_digest: str
    study_instance_uid: str
    series_instance_uid: str
    series_description: str
    slice_count: int
    model_name: str
    model_checksum: str
    parameters: Mapping[str, object]
    attempt: int
    fence: int
    child_deaths: int
    lost_leases: int
    transient_errors: int
    cancel_requested: bool
    legal_hold: bool  # nothing of it is purged
    rule: str
    planned: tuple[PlannedDelivery, ...]
    is_shadow: bool
    request_id: str | None
    project: str | None
    superseded_by: str | None  # the job of the same series with a slice that came late
    stage: str | None
    progress: float  # of `stage`, 0 to 1
    warnings: tuple[str, ...]
    structures: tuple[StructureRecord, ...]
    outputs: tuple[OutputRecord, ...]  # one for each template, once the job is done
    failure: Failure | None
    result_folder: str | None  # below the results; set once the job is done
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def build_series_digest(instances: Iterable[tuple[str, str]]) -> str:
    """SHA-256 (hex) of a series' (SOP instance UID, SHA-256 of the content) pairs, in any order."""
    return _digest(sorted(instances))


def build_job_key(
    series_digest: str,
    model_checksum: str,
    parameters: Mapping[str, object],
    project: str | None = None,
) -> str:
    """SHA-256 (hex) of all that decides a job's result, and of whose it is."""
    decides: dict[str, object] = {
        "series": series_digest,
        "model": model_checksum,
        "parameters": parameters,
        "output": OUTPUT_SCHEMA,
    }
    return _digest(decides if project is None else {**decides, "project": project})


def _digest(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
