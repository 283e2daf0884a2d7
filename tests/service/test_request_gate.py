"""What a request's headers say of its body is believed only as far as it goes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import yaml
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient

from service.problems import add_problem_handlers
from service.request_gate import BRINGS_FILES, add_request_gate
from tests.conftest import REPOSITORY
from tests.service.answers import expect_problem
from workers.settings import Settings

MOST = 1000


@pytest.fixture
def client() -> Iterator[TestClient]:
    """An app with a route that reads JSON into memory, and one that streams."""
    app = FastAPI()
    app.state.context = SimpleNamespace(settings=Settings(json_bytes=MOST))
    add_request_gate(app)
    add_problem_handlers(app)

    @app.post("/v1/anything")
    def read(body: Annotated[Any, Body()]) -> int:
        return len(body)

    with TestClient(app) as opened:
        yield opened


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize(("length", "status"), [(MOST, 200), (MOST + 1, 413)])
def test_a_body_in_memory_has_a_length(
    client: TestClient, length: int, status: int, is_announced: bool
) -> None:
    """At its edge, announced or not."""
    body = b'"' + b"a" * (length - 2) + b'"'

    answer = client.post(
        "/v1/anything",
        content=body if is_announced else iter([body[:500], body[500:]]),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == status


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "gzip, identity", "GZIP"])
@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/anything", "/dicom-web/studies"])
def test_a_packed_body_is_not_unpacked(client: TestClient, path: str, coding: str) -> None:
    """A kilobyte of it may be a gigabyte."""
    answer = client.post(
        path, content=gzip.compress(bytes(100_000)), headers={"Content-Encoding": coding}
    )

    expect_problem(answer, 415, "wrong-body-type", "Content-Encoding")


def test_a_body_may_say_that_it_is_not_packed(client: TestClient) -> None:
    """Some clients do."""
    answer = client.post("/v1/anything", json="abc", headers={"Content-Encoding": "identity"})

    assert answer.status_code == 200


def test_every_route_that_takes_files_is_known_to_the_gate() -> None:
    """A new one would find its uploads cut at the length of JSON."""
    paths = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())["paths"]
    bringing = {
        path
        for path, methods in paths.items()
        for method in methods.values()
        if "application/json" not in method.get("requestBody", {}).get("content", {"": 0})
        and "requestBody" in method
    }

    assert bringing
    assert {
        path for path in paths if BRINGS_FILES.fullmatch(re.sub(r"\{\w+\}", "1.2.3", path))
    } == bringing
