"""Each route says what permission it takes; one that says nothing serves nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute

from contouring.errors import NotAllowedError, NotAuthenticatedError, UnknownJobError
from contouring.errors.login_faults import LoginFault
from service.access.principal import Principal
from service.access.roles import OPEN, Permission
from workers.job_store import JobStore

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_ATTRIBUTE = "oarlock_permission"
JOB = "job_id"  # as all paths call it


class UndeclaredRouteError(RuntimeError):
    """A route that does not say who may use it: a fault in Oarlock."""


def no_key() -> NotAuthenticatedError:
    """What whoever shows nothing is told."""
    return NotAuthenticatedError("The request shows no key", LoginFault.NOTHING_SHOWN)


def needs(permission: Permission) -> Callable[[Endpoint], Endpoint]:
    """Declare what an endpoint takes; stands below the decorators of its routes."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ATTRIBUTE, permission)
        return endpoint

    return declare


def find_permission(endpoint: object) -> Permission | None:
    """What an endpoint has declared."""
    return getattr(endpoint, _ATTRIBUTE, None)


def list_routes(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, frozenset[str], Permission]]:
    """Path, methods and permission of each route. Raises `UndeclaredRouteError`."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from list_routes(included.routes)
            continue
        # A mount or a websocket has neither, and would be past `admit`.
        permission = find_permission(route.endpoint) if isinstance(route, APIRoute) else None
        if permission is None or not isinstance(route, APIRoute):
            raise UndeclaredRouteError(f"{getattr(route, 'path', route)} declares no permission")
        yield route.path, frozenset(route.methods or ()), permission


async def admit(request: Request) -> None:
    """Hold whoever asks to what the endpoint takes; a dependency of every route.

    A job of another project is as good as none, whatever is asked of it.
    """
    permission = find_permission(request.scope.get("endpoint"))
    principal: Principal | None = request.state.principal
    if permission is OPEN:
        return
    if principal is None:
        raise no_key()
    if permission is None or not principal.may(permission):
        raise NotAllowedError(principal.name, permission or "nothing is declared")
    job_id = request.path_params.get(JOB)
    if principal.project is not None and job_id is not None:
        jobs: JobStore = request.app.state.context.jobs
        job = await to_thread.run_sync(jobs.find, job_id)
        if job.project != principal.project:
            raise UnknownJobError(job_id)


def _read_project(request: Request) -> str | None:
    principal: Principal | None = request.state.principal
    return None if principal is None else principal.project


ProjectOf = Annotated[str | None, Depends(_read_project)]
"""Parameter of a route that lists or keeps what projects part: the asker's; None means all."""
