"""A route that does not say who may use it stops the start, and serves nobody."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from service import app as app_module
from service.access.declarations import UndeclaredRouteError, list_routes, needs
from service.access.roles import Permission
from service.app import create_app
from tests.keys import SHOWN
from tests.service.answers import expect_problem
from workers.settings import Settings


def test_an_application_with_such_a_route_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its author hears of it before anybody else does."""
    careless = APIRouter()

    @careless.get("/v1/everything")
    def show_everything() -> str:
        return "all patients"

    monkeypatch.setattr(app_module, "models_router", careless)

    with pytest.raises(UndeclaredRouteError, match="/v1/everything"):
        create_app(Settings())


@pytest.mark.parametrize(
    "route",
    [
        Route("/plain", lambda _: PlainTextResponse("x")),
        Mount("/files", app=PlainTextResponse("x")),
    ],
)
def test_what_is_past_all_dependencies_is_refused_even_with_a_declaration(
    route: Route | Mount,
) -> None:
    """A mount or a plain route would run without asking who may."""
    if isinstance(route, Route):
        needs(Permission.VIEW)(route.endpoint)

    with pytest.raises(UndeclaredRouteError):
        list(list_routes([route]))


def test_a_websocket_is_refused() -> None:
    """There is none, and the guard would let none in."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.websocket("/socket")
    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()

    with pytest.raises(UndeclaredRouteError, match="/socket"):
        list(list_routes(app.routes))


def test_a_route_that_came_later_serves_not_even_an_administrator(settings: Settings) -> None:
    """Whatever the start has missed is shut."""
    app = create_app(settings)

    @app.get("/later")
    def show_later() -> str:
        return "all patients"

    with TestClient(app) as client:
        answer = client.get("/later", headers=SHOWN)

    expect_problem(answer, 403, "not-allowed")
