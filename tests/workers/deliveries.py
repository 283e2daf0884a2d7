"""Jobs that are planned for destinations, and their ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workers.job_store import JobStore
from workers.jobs import Failure, Job, NewJob, OutputRecord, PlannedDelivery
from workers.lease_store import LeaseStore, NewResult

HELD = Failure("structures-failed", "Not all structures could be contoured: generic: Cord.")
EVENTS = ("done", "partial", "failed", "delivery-failed")
HOOK = PlannedDelivery("hook", events=EVENTS)
TWO_TEMPLATES = (
    OutputRecord("eclipse", "eclipse.rtstruct.dcm"),
    OutputRecord("generic", "generic.rtstruct.dcm"),
)


def plan_job(
    new_job: Callable[..., NewJob], *planned: PlannedDelivery, is_shadow: bool = False
) -> NewJob:
    """A job that is planned for these destinations."""
    return replace(new_job(), planned=planned, is_shadow=is_shadow)


def finish(jobs: JobStore, leases: LeaseStore, new: NewJob, held: Failure | None = None) -> Job:
    """The job with structure sets of two templates: done, or partial where it is held."""
    (job,) = jobs.add([new])
    claimed = leases.claim("worker")
    assert claimed is not None
    folder = f"{job.id}/{claimed.fence}"
    leases.finish(claimed, NewResult(folder, {}, TWO_TEMPLATES, (), (), {}, held))
    return jobs.find(job.id)
