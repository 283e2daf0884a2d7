"""/v1/arrivals: what came in, whether it is whole, and what was made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from service.access.declarations import ProjectOf, needs
from service.access.roles import Permission
from service.context import ContextOf
from service.problems import PROBLEM_RESPONSES
from workers.arrivals import Arrival, ArrivalState
from workers.sources import SourceKind

PAGE_LIMIT = 200

router = APIRouter(prefix="/v1/arrivals", tags=["arrivals"], responses=PROBLEM_RESPONSES)


class ArrivalView(BaseModel):
    """What one source sent of one series."""

    id: str
    state: ArrivalState
    source: str
    source_kind: SourceKind
    project: str | None = Field(description="Whose it is alone; null: the whole site's.")
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    description: str
    received: int = Field(description="Objects so far.")
    expected: int | None = Field(description="As many as the sender says it has, if it was asked.")
    seconds_left: float | None = Field(
        description="Until it is judged if nothing more comes; null once it is."
    )
    evidence: str = Field(description="Why it was taken as whole.")
    fault: str = Field(description="Stable name of why it has no job; empty if it has.")
    reason: str
    jobs: list[str] = Field(description="Ids of its jobs.")
    created_at: datetime
    last_at: datetime = Field(description="When the last object came.")
    closed_at: datetime | None


class ArrivalListView(BaseModel):
    """A page of arrivals, newest first."""

    arrivals: list[ArrivalView]
    next: str | None = Field(description="Value of `after` for the next page; null on the last.")


@router.get("")
@needs(Permission.VIEW)
def list_arrivals(
    context: ContextOf,
    project: ProjectOf,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> ArrivalListView:
    """List what came in, newest first."""
    found = context.arrivals.list_page(limit + 1, after, project)
    page = found[:limit]
    return ArrivalListView(
        arrivals=[_build_view(context.identities.reveal_arrival(arrival)) for arrival in page],
        next=page[-1].id if len(found) > limit else None,
    )


def _build_view(arrival: Arrival) -> ArrivalView:
    return ArrivalView(
        id=arrival.id,
        state=arrival.state,
        source=arrival.source.name,
        source_kind=arrival.source.kind,
        project=arrival.source.project,
        study_instance_uid=arrival.study_instance_uid,
        series_instance_uid=arrival.series_instance_uid,
        modality=arrival.modality,
        description=arrival.description,
        received=arrival.received,
        expected=arrival.expected,
        seconds_left=arrival.quiet_seconds_left,
        evidence=arrival.evidence,
        fault=arrival.fault,
        reason=arrival.reason,
        jobs=list(arrival.job_ids),
        created_at=arrival.created_at,
        last_at=arrival.last_at,
        closed_at=arrival.closed_at,
    )
