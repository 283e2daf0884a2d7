"""Every route, as every role and as nobody: what docs/access.md says is what happens.

The page is what people read and judge, so it is what the server is held to here; that the page is
the one that the code's tables give is another test.
"""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from service.access.declarations import list_routes
from service.access.page import fill_page
from service.access.roles import Role
from service.app import create_app
from tests.service.access.conftest import MakeKey, show
from tests.service.access.role_table import PAGE, read_routes
from workers.settings import Settings

SHUT = (401, 403)


TABLE = read_routes()
OPEN = [route for route, row in TABLE.items() if row["anybody"]]


def ask(client: TestClient, route: tuple[str, ...], headers: dict[str, str]) -> int:
    """The status of a request to a route, for things that there are not."""
    method, path = route
    return client.request(method, re.sub(r"{\w+}", "1.2.3", path), headers=headers).status_code


def test_the_page_is_the_one_that_the_tables_give() -> None:
    """Run python -m service.access after a change."""
    assert fill_page(PAGE.read_text()) == PAGE.read_text()


def test_the_page_has_every_route() -> None:
    """One that it lacks would not be walked below."""
    served = {
        (method, path)
        for path, methods, _ in list_routes(create_app(Settings()).routes)
        for method in methods
    }

    assert set(TABLE) == served
    assert len(TABLE) > 40


def test_only_the_probes_are_open() -> None:
    """A third open route is a decision that somebody must take here, too."""
    assert sorted(OPEN) == [("GET", "/health/live"), ("GET", "/health/ready")]


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_page_says(
    client: TestClient, make_key: MakeKey, role: Role
) -> None:
    """No more and no less, on any route."""
    headers = show(make_key(role))

    answers = {route: ask(client, route, headers) for route in TABLE}

    allowed = {route for route, row in TABLE.items() if row[role.value] == "yes"}
    assert {route for route, status in answers.items() if status not in SHUT} == allowed
    assert {answers[route] for route in TABLE if route not in allowed} <= {403}
    assert [route for route, status in answers.items() if status >= 500] == []


@pytest.mark.parametrize("shown", ["nothing", "an unknown key", "revoked", "expired", "no role"])
def test_nobody_gets_past_the_probes(
    client: TestClient,
    make_key: MakeKey,
    revoked_key: str,
    expired_key: str,
    shown: str,
) -> None:
    """Whatever the path, also where there is no route."""
    unknown = make_key(Role.ADMINISTRATOR, name="a")[:-1] + "_"
    headers = {
        "nothing": {},
        "an unknown key": show(unknown),
        "revoked": show(revoked_key),
        "expired": show(expired_key),
        "no role": show(make_key(name="b")),
    }[shown]
    nowhere = [
        ("GET", "/nowhere"),
        ("TRACE", "/v1/jobs"),
        ("GET", "//v1/jobs"),
        ("GET", "/v1/jobs/"),
    ]

    answers = {route: ask(client, route, headers) for route in [*TABLE, *nowhere]}

    if shown == "no role":  # somebody, who may know that there is nothing there
        assert {answers.pop(route) for route in nowhere} <= {403, 404, 405}
    status = 403 if shown == "no role" else 401
    assert {answers[route] for route in OPEN} == {200}
    # Wrong keys are too many after a while.
    wrong = {answers[route] for route in answers if route not in OPEN}
    assert wrong <= {status, 429}
    assert status in wrong
