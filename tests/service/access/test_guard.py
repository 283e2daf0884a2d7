"""The door: keys in all their forms, other sites' pages, rates, revocation, ids of requests."""

from __future__ import annotations

import base64
import io
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from service.access import guard, key_ring
from service.access.declarations import needs
from service.access.roles import Permission, Role
from service.app import create_app
from tests.keys import KEY
from tests.phantoms import write_small_series
from tests.service.access.conftest import MakeKey, show
from tests.service.answers import expect_problem
from tests.service.conftest import MEBIBYTE, Server
from tests.workers.processes import find_free_port, wait_until
from workers.job_store import JobStore
from workers.jobs import NewJob, Priority
from workers.key_store import KeyStore
from workers.logs import LogFormat, SafeFormatter
from workers.settings import Settings

NEW_JOB = NewJob(
    series_digest="d",
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    series_description="",
    slice_count=3,
    model_name="commissioning",
    model_checksum="c",
    parameters={},
    priority=Priority.NORMAL,
    warnings=(),
)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log, as a server writes it."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(SafeFormatter(LogFormat.PLAIN))
    logging.getLogger().addHandler(handler)
    yield handler.stream
    logging.getLogger().removeHandler(handler)


def basic(name: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


def test_a_key_may_be_shown_in_three_ways(client: TestClient, make_key: MakeKey) -> None:
    """Programs, programs behind a proxy, and browsers and archives."""
    key = make_key(Role.VIEWER, name="archive")
    ways = [
        show(key),
        {"Authorization": f"bearer   {key} "},
        {"X-API-Key": key},
        {"X-API-Key": key, **basic("the proxy's", "own")},
        basic("archive", key),
    ]

    assert [client.get("/v1/jobs", headers=way).status_code for way in ways] == [200] * 5


@pytest.mark.parametrize(
    "headers",
    [
        basic("somebody else", KEY),
        basic("first", ""),
        basic("first", "secret"),
        {"Authorization": "Basic !!!"},
        {"Authorization": f"Basic {base64.b64encode(b'no colon').decode()}"},
        {"Authorization": f"Basic {base64.b64encode(bytes([255, 58, 254])).decode()}"},
        {"Authorization": "Digest username=first"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer oarlock_"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": KEY},
        {"X-API-Key": ""},
        {"X-API-Key": "secret", "Authorization": f"Bearer {KEY}"},
    ],
)
def test_what_is_no_key_lets_nobody_in(client: TestClient, headers: dict[str, str]) -> None:
    """And is answered with how to get one, which browsers and curl understand."""
    answer = client.get("/v1/jobs", headers=headers)

    expect_problem(answer, 401, "not-authenticated", "oarlock keys create")
    assert re.match(r'Basic realm="Oarlock".*, Bearer', answer.headers["WWW-Authenticate"])
    assert KEY not in answer.text


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ("POST", {"Origin": "http://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://["}, 403),
        ("POST", {"Origin": "http://testserver:81"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, 404),
        ("POST", {"Sec-Fetch-Site": "none"}, 404),
        ("POST", {"Origin": "http://testserver"}, 404),
        ("POST", {"Origin": "https://TESTSERVER"}, 404),
        ("POST", {}, 404),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 405),
        ("GET", {"Sec-Fetch-Site": "same-origin"}, 405),
    ],
)
def test_another_sites_page_cannot_use_a_browsers_password(
    client: TestClient, method: str, headers: dict[str, str], status: int
) -> None:
    """A picture that a page asks for would count as a delivery, a form could release a job."""
    answer = client.request(
        method, "/v1/jobs/none/release", headers={**basic("first", KEY), **headers}
    )

    assert answer.status_code == status
    if status == 403:
        expect_problem(answer, 403, "cross-site", "another site")


def test_who_asks_too_often_is_told_when_to_ask_again(settings: Settings) -> None:
    """Each key has its own share, and the probes have no limit."""
    few = settings.model_copy(update={"requests_per_minute": 3})
    with TestClient(create_app(few)) as client:
        answers = [client.get("/v1/models", headers=show(KEY)) for _ in range(6)]
        probes = {client.get("/health/ready", headers=show(KEY)).status_code for _ in range(6)}

    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    refused = answers[-1]
    expect_problem(refused, 429, "too-many-requests", "first")
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert probes == {200}


def test_wrong_keys_are_counted_by_address_and_lock_nobody_out(settings: Settings) -> None:
    """A right key of the same address gets in; who shows none yet is only asked for one."""
    few = settings.model_copy(update={"login_failures_per_minute": 3})
    wrong = show(KEY[:-1] + "_")
    with TestClient(create_app(few)) as client:
        failed = [client.get("/v1/models", headers=wrong) for _ in range(6)]
        right = client.get("/v1/models", headers=show(KEY))
        asked = [client.get("/v1/models").status_code for _ in range(10)]

    assert [answer.status_code for answer in failed[:3]] == [401] * 3
    expect_problem(failed[-1], 429, "too-many-requests")
    assert "Retry-After" in failed[-1].headers
    assert right.status_code == 200
    assert asked == [401] * 10


def test_a_failed_login_is_in_the_log_without_what_was_shown(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever watches the log sees who tries, and learns no key that is nearly right."""
    wrong = KEY[:-1] + "_"

    client.get("/v1/jobs", headers=show(wrong))

    (line,) = [record for record in caplog.records if "a login from" in record.getMessage()]
    assert "testclient failed: The key is not known" in line.getMessage()
    assert wrong not in caplog.text


def test_without_its_database_nobody_is_blamed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that cannot be looked up is not wrong: the sender must try again, and probes go on."""

    def fail(*_: object) -> None:
        raise OperationalError("select", {}, OSError("away"))

    monkeypatch.setattr(KeyStore, "find", fail)

    expect_problem(client.get("/v1/jobs", headers=show(KEY)), 503, "database-unreachable")
    assert client.get("/health/live", headers=show(KEY)).status_code == 200


def test_a_revoked_key_is_refused_within_a_minute(
    client: TestClient, make_key: MakeKey, database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as this process remembers it, and no longer; by then it has asked the database."""
    assert key_ring.REMEMBERED_SECONDS < 60
    monkeypatch.setattr(key_ring, "REMEMBERED_SECONDS", 0.5)
    key = make_key(Role.VIEWER)
    before = client.get("/v1/jobs", headers=show(key)).status_code

    KeyStore(database).revoke("somebody")

    wait_until(
        lambda: client.get("/v1/jobs", headers=show(key)).status_code == 401, "it to be refused"
    )
    assert before == 200


@contextmanager
def run_in_thread(app: FastAPI) -> Iterator[str]:
    """The application behind a real server; its address."""
    port = find_free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_who_follows_a_job_hears_no_more_once_his_key_is_revoked(
    settings: Settings, database: Engine, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that was opened before would otherwise go on for as long as the job."""
    assert key_ring.REMEMBERED_SECONDS + guard.LOOKED_AGAIN_SECONDS < 60
    monkeypatch.setattr(key_ring, "REMEMBERED_SECONDS", 0.1)
    monkeypatch.setattr(guard, "LOOKED_AGAIN_SECONDS", 0.1)
    key = make_key(Role.VIEWER)
    (job,) = JobStore(database).add([NEW_JOB])
    with (
        run_in_thread(create_app(settings)) as url,
        httpx.stream(
            "GET", f"{url}/v1/jobs/{job.id}/events", headers=show(key), trust_env=False, timeout=60
        ) as events,
    ):
        lines = events.iter_lines()
        first = next(line for line in lines if line.startswith("data:"))
        KeyStore(database).revoke("somebody")
        time.sleep(0.5)  # by then it is no longer remembered
        JobStore(database).set_legal_hold(job.id, True)
        rest = list(lines)

    assert job.id in first
    assert [line for line in rest if line.startswith("data:")] == []


def test_the_last_use_of_a_key_is_noted(
    client: TestClient, make_key: MakeKey, database: Engine
) -> None:
    """A site finds keys that nobody needs any more."""
    key = make_key(Role.VIEWER)

    client.get("/v1/jobs", headers=show(key))

    (used,) = [one for one in KeyStore(database).list_all() if one.name == "somebody"]
    assert used.last_used_at is not None


def test_a_large_upload_without_a_key_is_told_so(server: Server) -> None:
    """A client that still sends must hear the answer and not only a broken connection."""
    body = bytes(32 * MEBIBYTE)

    answer = server.http.post("/dicom-web/studies", content=body, headers={"Authorization": ""})

    expect_problem(answer, 401, "not-authenticated")
    assert not list((server.data / "staging").iterdir())


def test_a_stranger_learns_only_whether_it_is_ready(client: TestClient) -> None:
    """Which part is away is for those who run it."""
    stranger = client.get("/health/ready")
    administrator = client.get("/health/ready", headers=show(KEY))

    assert stranger.json() == {"status": "ok", "parts": {}}
    assert administrator.json()["status"] == "degraded"
    assert administrator.json()["parts"]["queue"] == "unreachable"


@pytest.mark.parametrize("brought", ["abc-1.2_Z", "a" * 64])
def test_a_clients_own_request_id_is_kept(client: TestClient, brought: str) -> None:
    """What it logs and what the server logs can be put together."""
    for path in ("/health/live", "/v1/jobs", "/nowhere"):
        assert (
            client.get(path, headers={"X-Request-ID": brought}).headers["X-Request-ID"] == brought
        )


@pytest.mark.parametrize(
    "brought", ["", "a" * 65, "a b", "a\tb", "é".encode().decode("latin-1"), "<a>"]
)
def test_a_request_id_that_could_do_harm_is_replaced(client: TestClient, brought: str) -> None:
    """It goes into logs, and comes back in a header."""
    headers = {b"X-Request-ID": brought.encode("latin-1")}
    given = client.get("/health/live", headers=headers).headers["X-Request-ID"]

    assert re.fullmatch(r"[0-9a-f-]{36}", given)


def test_every_answer_and_every_line_has_the_id_of_its_request(
    client: TestClient, written: io.StringIO
) -> None:
    """Also the answer to an error that nobody expected."""

    @client.app.get("/broken")  # type: ignore[attr-defined]
    @needs(Permission.DESCRIBE)
    def fail() -> None:
        raise ZeroDivisionError

    answer = client.get("/broken", headers={**show(KEY), "X-Request-ID": "trace-1"})

    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "trace-1")
    assert "ERROR service.problems [trace-1] GET /broken failed" in written.getvalue()


def test_a_job_names_the_request_that_brought_it(server: Server, tmp_path: Path) -> None:
    """And the lines of the worker that runs it."""
    files = [("files", file.read_bytes()) for file in write_small_series(tmp_path / "ct")]
    asked = {"model": "commissioning", "template": "margins"}

    answer = server.http.post(
        "/v1/jobs", files=files, data=asked, headers={"X-Request-ID": "night-7"}
    )

    (job,) = answer.json()["jobs"]
    assert (answer.headers["X-Request-ID"], job["request_id"]) == ("night-7", "night-7")
    server.wait_for(job["id"], "done", "partial", "failed", "refused")
    lines = (server.data.parent / "server.log").read_text().splitlines()
    assert [line for line in lines if f"job {job['id']}: attempt" in line and "[night-7]" in line]
