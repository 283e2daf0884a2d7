"""What listens where others reach it is neither open nor overheard, or does not listen."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from contouring.errors import InvalidConfigurationError, UnsafeStartError
from service.access.roles import Role
from service.access.safe_start import check_http_start, check_node_start, is_loopback
from tests.cli.shell import run
from tests.keys import KEY, SHOWN
from tests.service.access.conftest import MakeKey
from tests.workers.destinations.http_servers import make_keys
from tests.workers.processes import find_free_port, wait_until
from workers.key_store import KeyStore
from workers.redis_server import RedisServer
from workers.settings import Settings

OIDC = {"oidc_issuer": "https://issuer.example", "oidc_audience": "oarlock"}


@pytest.fixture
def keyless(tmp_path: Path) -> Settings:
    """Of a server without a first key."""
    return Settings(data=tmp_path, first_key=None)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("nowhere.invalid", False),
    ],
)
def test_which_addresses_only_this_machine_reaches(host: str, is_ours: bool) -> None:
    """A name that cannot be resolved is taken for the worst."""
    assert is_loopback(host) is is_ours


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ["keys create", "OARLOCK_TLS_CERT"]),
        ({"behind_proxy": True}, ["keys create"]),
        ({"tls_cert": "c.pem"}, ["keys create"]),
        (OIDC, ["OARLOCK_TLS_CERT"]),
        ({"first_key": KEY}, ["OARLOCK_TLS_CERT"]),
        ({**OIDC, "behind_proxy": True}, []),
        ({"first_key": KEY, "tls_cert": "c.pem"}, []),
        ({"host": "127.0.0.1"}, []),
    ],
)
def test_what_a_server_that_others_reach_must_have(
    keyless: Settings, database: Engine, values: dict[str, object], words: list[str]
) -> None:
    """Somebody who can be let in, and nobody who listens on the way."""
    given = {**keyless.model_dump(), "host": "0.0.0.0", **values}
    settings = Settings.model_validate(given)

    if not words:
        check_http_start(settings, database)
        return
    with pytest.raises(UnsafeStartError) as refused:
        check_http_start(settings, database)
    assert len(refused.value.faults) == len(words)
    assert [word for word in words if word not in str(refused.value)] == []


def test_a_key_in_the_database_is_enough_until_it_is_revoked(
    keyless: Settings, database: Engine, make_key: MakeKey
) -> None:
    """A server whose last key was revoked would let nobody in."""
    settings = keyless.model_copy(update={"host": "0.0.0.0", "behind_proxy": True})
    make_key(Role.SENDER)

    check_http_start(settings, database)
    KeyStore(database).revoke("somebody")

    with pytest.raises(UnsafeStartError, match="keys create"):
        check_http_start(settings, database)


def test_a_node_that_others_reach_needs_a_list_of_its_senders(tmp_path: Path) -> None:
    """DIMSE knows no key; a file that accepts everybody says so in words."""
    sources = tmp_path / "sources.yaml"
    sources.write_text("format: 1\nunknown: accept\n")

    with pytest.raises(UnsafeStartError, match="OARLOCK_SOURCES"):
        check_node_start(Settings(dimse_host="0.0.0.0"))
    check_node_start(Settings(dimse_host="127.0.0.1"))
    check_node_start(Settings(dimse_host="0.0.0.0", sources=sources))


def test_a_certificate_that_nobody_asks_for_is_a_fault(tmp_path: Path) -> None:
    """Without a CA the node asks for none, and the sender would never be known."""
    sources = tmp_path / "sources.yaml"
    sources.write_text("format: 1\nsources: [{name: a, kind: dimse, certificate: CN=a}]\n")

    with pytest.raises(InvalidConfigurationError, match="OARLOCK_DIMSE_TLS_CA"):
        check_node_start(Settings(sources=sources))
    check_node_start(Settings(sources=sources, dimse_tls_ca=tmp_path / "ca.pem"))


@pytest.mark.parametrize("command", ["serve", "service", "dimse"])
def test_no_command_listens_where_it_must_not(tmp_path: Path, command: str) -> None:
    """It leaves with 2 and says what to set, and nothing was opened."""
    port = str(find_free_port())
    environment = {
        "OARLOCK_DATA": str(tmp_path / "data"),
        "OARLOCK_FIRST_KEY": "",
        "OARLOCK_REDIS_URL": "redis://127.0.0.1:9/0",
        **{"OARLOCK_HOST": "0.0.0.0", "OARLOCK_PORT": port},
        **{"OARLOCK_DIMSE_HOST": "0.0.0.0", "OARLOCK_DIMSE_PORT": port},
    }

    left = run(command, **environment)

    assert left.returncode == 2
    assert "Nothing listens on 0.0.0.0" in left.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0


@pytest.mark.parametrize("key", ["secret", "oarlock_short", f"oarlock_{'ab' * 30}", "x" * 80])
def test_a_first_key_that_could_be_guessed_is_refused(tmp_path: Path, key: str) -> None:
    """And not shown again in the words that say so."""
    left = run("serve", OARLOCK_DATA=str(tmp_path), OARLOCK_FIRST_KEY=key)

    assert left.returncode == 1
    assert "openssl rand" in left.stderr
    assert key not in left.stderr + left.stdout


@contextmanager
def run_service(folder: Path, **settings: str) -> Iterator[int]:
    """`oarlock service`; its port."""
    port = find_free_port()
    redis = RedisServer(folder / "redis")
    environment = {
        "OARLOCK_DATA": str(folder / "data"),
        "OARLOCK_REDIS_URL": redis.url,
        "OARLOCK_PORT": str(port),
        "OARLOCK_FIRST_KEY": KEY,
        "PATH": "/usr/bin:/bin",
        **settings,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "service"], env=environment, stdout=log, stderr=log
        )

    def listens() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, "the service")
        yield port
    finally:
        process.terminate()
        process.wait(60)


def test_the_service_speaks_tls_and_nothing_older_than_1_2(tmp_path: Path) -> None:
    """A key in the clear would be anybody's who listens."""
    keys = make_keys(tmp_path, "server")
    certificate, key = str(keys.certificate), str(keys.key)
    with run_service(tmp_path, OARLOCK_TLS_CERT=certificate, OARLOCK_TLS_KEY=key) as port:
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.check_hostname = False
        url = f"https://127.0.0.1:{port}/v1/models"

        answer = httpx.get(url, headers=SHOWN, verify=trusting, trust_env=False)
        spoken = {
            version: _speaks(port, version)
            for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        }
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http"), headers=SHOWN, trust_env=False)

    assert answer.status_code == 200
    assert list(spoken.values()) == [False, True, True]


def _speaks(port: int, version: ssl.TLSVersion) -> bool:
    """Whether a client that knows only this version of TLS is understood."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        try:
            with context.wrap_socket(connection) as wrapped:
                return wrapped.version() is not None
        except (ssl.SSLError, ConnectionError):
            return False
