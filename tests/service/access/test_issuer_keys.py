"""The keys of an issuer: fetched from where they may be, when they must, and kept for a while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from contouring.errors import IssuerUnreachableError, NotAuthenticatedError
from service.access import issuer_keys
from service.access.issuer_keys import AGAIN_SECONDS, REFRESHED_SECONDS
from service.access.tokens import Tokens
from tests.service.access.conftest import DAY_SECONDS, Clock
from tests.service.access.issuer import MAKERS, SUBJECT, Issuer, run_issuer
from tests.workers.processes import wait_until
from workers.access_settings import is_private_url


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_nobody_is_asked_for_keys_whom_a_token_names(
    issuer: Issuer, tokens: Tokens, name: str
) -> None:
    """Whoever makes a token could bring keys of his own, or have this server ask anywhere."""
    with run_issuer() as other:
        other.add_key("theirs")
        token = jwt.encode(
            issuer.build_claims(),
            other.private_keys["theirs"][1],
            "RS256",
            {"kid": "theirs", name: f"{other.url}/keys"},
        )

        with pytest.raises(NotAuthenticatedError):
            tokens.identify(token)
        assert not other.asked


def test_a_key_that_is_for_something_else_signs_nothing(issuer: Issuer, tokens: Tokens) -> None:
    """Of a key for encryption (`use`: enc) somebody else may have the other half."""
    issuer.add_key("two")
    _, key = issuer.private_keys["two"]
    told = MAKERS["RS256"][1].to_jwk(key.public_key(), as_dict=True)
    token = issuer.sign("two")
    del issuer.private_keys["two"]
    issuer.more_keys.append({**told, "kid": "two", "use": "enc"})

    with pytest.raises(NotAuthenticatedError):
        tokens.identify(token)


def test_a_key_that_is_new_is_fetched_at_most_once_a_minute(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    """Keys are rotated, and a flood of made-up names must not become a flood at the issuer."""
    tokens.identify(issuer.sign())
    issuer.add_key("two")

    for number in range(20):
        with pytest.raises(NotAuthenticatedError):
            tokens.identify(issuer.sign("two", header={"kid": f"made-up-{number}"}))
    before = issuer.asked["/keys"]
    clock.now += AGAIN_SECONDS + 1
    found = tokens.identify(issuer.sign("two"))

    assert (before, issuer.asked["/keys"]) == (1, 2)
    assert found.name == SUBJECT


def test_nobody_waits_long_for_an_issuer_that_says_nothing(
    issuer: Issuer, tokens: Tokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All requests share the threads in which they would."""
    monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 30.0)
    tokens.identify(issuer.sign())
    unknown = issuer.sign(header={"kid": "made-up"})
    clock.now += AGAIN_SECONDS + 1
    asked = issuer.asked.total()
    with ThreadPoolExecutor() as pool:
        with issuer.hold():
            first = pool.submit(tokens.identify, unknown)
            wait_until(lambda: issuer.asked.total() > asked, "somebody to ask the issuer")

            with pytest.raises(IssuerUnreachableError):
                tokens.identify(unknown)
            assert tokens.identify(issuer.sign()).name == SUBJECT

        with pytest.raises(NotAuthenticatedError):
            first.result()


def test_a_key_that_is_withdrawn_ends_within_minutes(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    """A key that was stolen is no longer told, and nothing else says so."""
    token = issuer.sign()
    tokens.identify(token)
    del issuer.private_keys["one"]
    issuer.add_key("two")

    clock.now += REFRESHED_SECONDS + 1

    with pytest.raises(NotAuthenticatedError):
        tokens.identify(token)
    assert tokens.identify(issuer.sign("two")).name == SUBJECT


def test_while_the_issuer_is_down_known_keys_go_on_for_a_day(
    issuer: Issuer, tokens: Tokens, clock: Clock
) -> None:
    """A night's work must not end with another server's; after that nobody is let in unproved."""
    token = issuer.sign()
    tokens.identify(token)
    issuer.is_down = True

    clock.now += DAY_SECONDS - 60
    during = tokens.identify(token).name
    with pytest.raises(NotAuthenticatedError):
        tokens.identify(issuer.sign(header={"kid": "unknown"}))
    clock.now += 120
    with pytest.raises(IssuerUnreachableError):
        tokens.identify(token)
    issuer.is_down = False
    clock.now += AGAIN_SECONDS

    assert during == SUBJECT
    assert tokens.identify(token).name == SUBJECT


@pytest.mark.parametrize(
    "spoil",
    [
        {"issuer": "https://issuer.example"},
        {"jwks_uri": "http://192.0.2.1/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
def test_a_discovery_that_leads_astray_is_not_followed(
    issuer: Issuer, tokens: Tokens, spoil: dict[str, object]
) -> None:
    """Keys come over TLS or from this machine, and from the issuer that was meant."""
    issuer.discovery.update(spoil)

    with pytest.raises(IssuerUnreachableError):
        tokens.identify(issuer.sign())
    assert issuer.asked["/keys"] == 0


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://issuer.example/keys", True),
        ("http://127.0.0.1:80/keys", True),
        ("http://localhost/keys", True),
        ("http://issuer.example/keys", False),
        ("http://127.0.0.1.example/keys", False),
        ("ftp://127.0.0.1/keys", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_where_keys_may_come_from(url: str, may: bool) -> None:
    """What comes in the clear may be anybody's."""
    assert is_private_url(url) is may
