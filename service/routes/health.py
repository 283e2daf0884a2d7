"""/health: whether the process lives, and whether it can work."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from contouring.errors import EncryptionKeyError, StorageFullError
from service.access.declarations import needs
from service.access.principal import Principal
from service.access.roles import Permission
from service.context import Context, ContextOf
from service.problems import PROBLEM_CONTENT, PROBLEM_RESPONSES, build_problem
from service.schemas import HealthView
from workers.deliveries import DeliveryState
from workers.disk_space import check_space
from workers.encryption.vault import find_vault

router = APIRouter(prefix="/health", tags=["health"], responses=PROBLEM_RESPONSES)


@router.get("/live")
@needs(Permission.PROBE)
def show_liveness() -> HealthView:
    """Answer as long as the process serves."""
    return HealthView(status="ok", parts={})


@router.get(
    "/ready",
    response_model=HealthView,
    responses={
        503: {
            "description": "No: the database does not answer, or why is not for the asker.",
            "content": PROBLEM_CONTENT,
        },
        507: {"description": "The data folder has no room for more.", "content": PROBLEM_CONTENT},
    },
)
@needs(Permission.PROBE)
def show_readiness(request: Request, context: ContextOf) -> HealthView | Response:
    """Answer whether jobs are accepted; without Redis they are, and wait in the database.

    Why not, and how the parts are, it tells only those who may see metrics.
    """
    answer = _examine(context)
    principal: Principal | None = request.state.principal
    if principal is not None and principal.may(Permission.SEE_HEALTH):
        return answer
    if isinstance(answer, HealthView):
        return HealthView(status="ok", parts={})
    return build_problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "Jobs cannot be accepted at the moment."
    )


def _examine(context: Context) -> HealthView | Response:
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
    if not _has_keys(context):
        parts["encryption"] = "the master key is missing; jobs wait for it"
        is_whole = False
    return HealthView(status="ok" if is_whole else "degraded", parts=parts)


def _has_keys(context: Context) -> bool:
    vault = find_vault(context.settings.data)
    try:
        if vault is not None:
            vault.keys.check()
    except EncryptionKeyError:
        return False
    return True
