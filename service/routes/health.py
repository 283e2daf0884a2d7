"""/health: whether the process lives, and whether it can work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import StorageFullError
from service.context import ContextOf
from service.problems import build_problem
from service.schemas import HealthView
from workers.deliveries import DeliveryState
from workers.disk_space import check_space

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
def show_liveness() -> HealthView:
    """Answer as long as the process serves."""
    return HealthView(status="ok", parts={})


@router.get(
    "/ready",
    response_model=HealthView,
    responses={
        503: {"description": "The database does not answer."},
        507: {"description": "The data folder has no room for more."},
    },
)
def show_readiness(context: ContextOf) -> HealthView | Response:
    """Answer whether jobs are accepted; without Redis they are, and wait in the database."""
    try:
        context.jobs.check()
    except SQLAlchemyError:
        return build_problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "database-unreachable",
            "The database does not answer: jobs cannot be accepted until it does.",
        )
    try:
        check_space(context.settings.data, 0, context.settings.reserve_bytes)
    except StorageFullError as error:
        return build_problem(HTTPStatus.INSUFFICIENT_STORAGE, error.code, str(error))
    is_reachable = context.publisher.count_messages() is not None
    undelivered = context.outbox.count_by_state()[DeliveryState.FAILED]
    parts = {
        "database": "ok",
        "queue": "ok" if is_reachable else "unreachable",
        "deliveries": f"{undelivered} failed" if undelivered else "ok",
        "rules": "ok" if context.rules.fault is None else "broken file; the old ones are in force",
    }
    is_whole = is_reachable and not undelivered and context.rules.fault is None
    return HealthView(status="ok" if is_whole else "degraded", parts=parts)
