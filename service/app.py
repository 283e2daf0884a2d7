"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from service.access.declarations import admit, list_routes
from service.access.guard import Guard
from service.access.roles import MAY, OPEN, Permission, Role
from service.admitter import Admitter
from service.audited_requests import AuditedRequests
from service.context import open_context
from service.folder_watcher import FolderWatcher
from service.jobs_page import router as page_router
from service.metrics import JobCollector, add_request_metrics
from service.metrics import router as metrics_router
from service.problems import Problem, add_problem_handlers
from service.request_gate import add_request_gate
from service.request_ids import RequestIds
from service.routes.arrivals import router as arrivals_router
from service.routes.comparisons import router as comparisons_router
from service.routes.description import router as description_router
from service.routes.dicomweb import router as dicomweb_router
from service.routes.health import router as health_router
from service.routes.jobs import router as jobs_router
from service.routes.judgements import router as judgements_router
from service.routes.models import router as models_router
from service.routes.rules import router as rules_router
from service.routes.stow import router as stow_router
from service.routes.templates import router as templates_router
from workers.settings import Settings

API_VERSION = "1"
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of `oarlock keys create`, or a token of the OpenID Connect issuer.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "A key as the password, with its name as the user's.",
    },
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service; its stores open when it starts to serve."""

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        opened = open_context(settings or Settings())
        context = await to_thread.run_sync(opened.__enter__)
        app.state.context = context
        app.state.registry.register(JobCollector(context))
        admitter = Admitter(context)
        admitter.start()
        watcher = FolderWatcher(context)
        watcher.start()
        try:
            yield
        finally:
            await to_thread.run_sync(watcher.stop)
            await to_thread.run_sync(admitter.stop)
            await to_thread.run_sync(opened.__exit__, None, None, None)

    app = FastAPI(
        title="Oarlock",
        summary="Auto-contouring for radiotherapy: a planning CT in, an RTSTRUCT out.",
        version=API_VERSION,
        lifespan=live,
        # Both pages load scripts from the internet, which a hospital does not let them do.
        docs_url=None,
        redoc_url=None,
        # A redirect to a path without its last slash would lead where the request's Host says.
        redirect_slashes=False,
        # A route of its own says who may read it, as all do.
        openapi_url=None,
        dependencies=[Depends(admit)],
    )
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]  # as FastAPI documents it
    add_problem_handlers(app)
    for router in (
        jobs_router,
        judgements_router,
        models_router,
        templates_router,
        rules_router,
        arrivals_router,
        comparisons_router,
        stow_router,
        dicomweb_router,
        description_router,
        health_router,
        metrics_router,
        page_router,
    ):
        app.include_router(router)
    open_paths = [path for path, _, permission in list_routes(app.routes) if permission is OPEN]
    # The last one is the first that a request meets.
    add_request_gate(app)
    app.add_middleware(Guard, open_paths=open_paths)
    app.add_middleware(AuditedRequests)
    app.state.registry = add_request_metrics(app)
    app.add_middleware(RequestIds)
    return app


def _describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; routes refer to Problem, which FastAPI finds in no signature."""
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    document["components"]["securitySchemes"] = SCHEMES
    document["security"] = [{name: []} for name in SCHEMES]
    for path, methods, permission in list_routes(app.routes):
        for method in methods:
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                _describe_access(operation, permission)
    return document


def _describe_access(operation: dict[str, Any], permission: Permission) -> None:
    if permission is OPEN:
        operation["security"] = []
        return
    roles = [role for role in Role if permission in MAY[role]]
    operation["x-oarlock-roles"] = [role.value for role in roles]
