"""Jobs as rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select

from contouring.notices import Notice
from contouring.structures import Status
from workers.jobs import (
    Failure,
    Job,
    JobState,
    NewJob,
    OutputRecord,
    PlannedDelivery,
    Priority,
    StructureRecord,
)
from workers.tables import jobs, results

URGENT_HEAD_START = timedelta(minutes=30)
"""An urgent job goes before normal ones at most this much older, so none waits for ever."""

NO_LOSSES: Mapping[str, int] = {"child_deaths": 0, "lost_leases": 0, "transient_errors": 0}
NOT_DUE: Mapping[str, None] = {"due_clock": None, "due_at": None}


def select_jobs() -> Select[tuple[object, ...]]:
    """Jobs with what their results say."""
    return select(
        jobs, results.c.structures, results.c.outputs, results.c.folder.label("result_folder")
    ).select_from(jobs.outerjoin(results))


def read_job(row: Row[tuple[object, ...]]) -> Job:
    """The job of a row of `select_jobs`."""
    values = row._mapping
    code = values["failure_code"]
    return Job(
        **{name: values[name] for name in _PLAIN},
        state=JobState(values["state"]),
        priority=Priority(values["priority"]),
        warnings=tuple(values["warnings"]),
        structures=tuple(_read_structure(record) for record in values["structures"] or ()),
        outputs=tuple(OutputRecord(**record) for record in values["outputs"] or ()),
        planned=read_planned(values["planned"]),
        failure=Failure(code, values["failure_reason"]) if code else None,
    )


def build_row(job_id: str, job: NewJob, now: datetime) -> dict[str, object]:
    """The first row of a new job."""
    known = asdict(job)
    del known["instances"]  # of the series, not of the job
    del known["patient_id"]  # kept as a pseudonym, in the audit records alone
    return {
        **known,
        "id": job_id,
        "key": job.key,
        "state": JobState.PENDING,
        "turn_at": find_turn(job.priority, now),
        "warnings": list(job.warnings),
        "planned": [asdict(planned) for planned in job.planned],
        "attempt": 0,
        "fence": 0,
        **NO_LOSSES,
        "cancel_requested": False,
        "legal_hold": False,
        "progress": 0.0,
        "created_at": now,
    }


def read_planned(records: Iterable[Mapping[str, Any]]) -> tuple[PlannedDelivery, ...]:
    """The deliveries of a job's column `planned`."""
    return tuple(
        PlannedDelivery(**{**record, "events": tuple(record.get("events", ()))})
        for record in records
    )


def find_turn(priority: Priority, now: datetime) -> datetime:
    """When a job that is put in line now counts as having come."""
    return now - (URGENT_HEAD_START if priority is Priority.URGENT else timedelta())


def merge_warnings(*groups: Iterable[str]) -> list[str]:
    """All warnings in order, each once."""
    return list(dict.fromkeys(warning for group in groups for warning in group))


def build_failure_values(failure: Failure | None) -> Mapping[str, str | None]:
    """Columns of a failure, or of none."""
    return {
        "failure_code": failure.code if failure else None,
        "failure_reason": failure.reason if failure else None,
    }


def _read_structure(record: Mapping[str, Any]) -> StructureRecord:
    flags = tuple(Notice(**flag) for flag in record["flags"])
    return StructureRecord(**{**record, "status": Status(record["status"]), "flags": flags})


_PLAIN = (
    "id",
    "key",
    "series_digest",
    "study_instance_uid",
    "series_instance_uid",
    "series_description",
    "slice_count",
    "model_name",
    "model_checksum",
    "parameters",
    "attempt",
    "fence",
    *NO_LOSSES,
    "cancel_requested",
    "legal_hold",
    "rule",
    "is_shadow",
    "request_id",
    "project",
    "superseded_by",
    "stage",
    "progress",
    "result_folder",
    "created_at",
    "started_at",
    "finished_at",
)
