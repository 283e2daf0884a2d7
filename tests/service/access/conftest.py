"""A server in this process, keys of every kind, and an issuer of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.access.issuer_keys import IssuerKeys
from service.access.roles import Role
from service.access.tokens import TokenRules, Tokens
from service.app import create_app
from tests.service.access.issuer import AUDIENCE, Issuer, run_issuer
from tests.workers.processes import find_free_port
from workers.database import migrate, open_engine
from workers.key_store import KeyStore
from workers.settings import Settings
from workers.user_store import UserStore

MakeKey = Callable[..., str]
DAY_SECONDS = 86_400.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a server whose queue is away; jobs are accepted all the same."""
    return Settings(data=tmp_path, redis_url=f"redis://127.0.0.1:{find_free_port()}/0")


@pytest.fixture
def database(settings: Settings) -> Iterator[Engine]:
    """The server's own."""
    engine = open_engine(settings.sql_url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def client(settings: Settings, database: Engine) -> Iterator[TestClient]:
    """Somebody who shows nothing."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def make_key(database: Engine) -> MakeKey:
    """Makes a key with some roles."""

    def make(*roles: Role, name: str = "somebody", project: str | None = None) -> str:
        key = KeyStore(database).create(name, roles, project)
        assert key is not None
        return key

    return make


@pytest.fixture
def expired_key(database: Engine) -> str:
    """An administrator's, of last year."""
    last_year = datetime.now(UTC) - timedelta(days=365)
    key = KeyStore(database, lambda: last_year).create(
        "expired", [Role.ADMINISTRATOR], valid_for=timedelta(days=1)
    )
    assert key is not None
    return key


@pytest.fixture
def revoked_key(database: Engine, make_key: MakeKey) -> str:
    """An administrator's, which was taken away."""
    key = make_key(Role.ADMINISTRATOR, name="revoked")
    KeyStore(database).revoke("revoked")
    return key


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """One with a single RSA key."""
    with run_issuer() as issuer:
        yield issuer


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Of the keys' ages."""
    return Clock()


@pytest.fixture
def tokens(issuer: Issuer, database: Engine, clock: Clock) -> Tokens:
    """A judge of this issuer's tokens."""
    rules = TokenRules(issuer.url, AUDIENCE, "realm_access.roles", "tenant")
    keys = IssuerKeys(issuer.url, None, DAY_SECONDS, clock)
    return Tokens(rules, keys, UserStore(database))


def show(key: str) -> dict[str, str]:
    """The header of a request with this key."""
    return {"Authorization": f"Bearer {key}"}
