"""Tokens of an issuer: whose they are, and all that is known to be done with forged ones."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from contouring.errors import NotAuthenticatedError
from service.access.roles import Role
from service.access.tokens import Tokens
from service.app import create_app
from tests.service.access.conftest import show
from tests.service.access.issuer import AUDIENCE, MAKERS, SUBJECT, Issuer
from tests.service.answers import expect_problem
from workers.settings import Settings
from workers.user_store import User, UserStore

YEAR_SECONDS = 366 * 86_400


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_token_that_is_right_tells_who_somebody_is(
    issuer: Issuer, tokens: Tokens, algorithm: str
) -> None:
    """By each of the algorithms that count; roles that nobody knows here give none."""
    issuer.add_key("two", algorithm)
    claims = {"realm_access": {"roles": ["viewer", "offline_access", 7]}, "tenant": "trial"}

    found = tokens.identify(issuer.sign("two", aud=["other", AUDIENCE], **claims))

    assert (found.name, found.kind, found.key_id) == (SUBJECT, "user", None)
    assert (found.roles, found.project) == ({Role.VIEWER}, "trial")


@pytest.mark.parametrize(
    ("claims", "fault"),
    [
        ({"exp": int(time.time()) - YEAR_SECONDS}, "expired-token"),
        ({"exp": None}, "missing-claim"),
        ({"exp": "soon"}, "broken-token"),
        ({"nbf": int(time.time()) + 10 * YEAR_SECONDS}, "early-token"),
        ({"iat": int(time.time()) + 10 * YEAR_SECONDS}, "early-token"),
        ({"iat": None}, "missing-claim"),
        ({"aud": "another"}, "wrong-audience"),
        ({"aud": None}, "missing-claim"),
        ({"aud": []}, "missing-claim"),
        ({"iss": "https://issuer.example"}, "wrong-issuer"),
        ({"iss": None}, "missing-claim"),
        ({"sub": None}, "missing-claim"),
        ({"sub": ""}, "wrong-subject"),
        ({"sub": "a" * 256}, "wrong-subject"),
        ({"sub": "a\nb"}, "wrong-subject"),
    ],
)
def test_a_token_for_another_time_place_or_nobody(
    issuer: Issuer, tokens: Tokens, claims: dict[str, object], fault: str
) -> None:
    """Signed by the right key all the same; what is wrong with it is recorded."""
    with pytest.raises(NotAuthenticatedError) as refused:
        tokens.identify(issuer.sign(**claims))
    assert refused.value.fault == fault


def _encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _sign_nothing(issuer: Issuer) -> str:
    header = {"alg": "none", "typ": "JWT", "kid": "one"}
    return f"{_encode(header)}.{_encode(issuer.build_claims())}."


def _sign_with_the_public_key(issuer: Issuer) -> str:
    """HS256 with what everybody may read for a secret (CVE-2015-9235)."""
    public = issuer.private_keys["one"][1].public_key()
    secret = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{_encode({'alg': 'HS256', 'kid': 'one'})}.{_encode(issuer.build_claims())}"
    signature = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def _sign_with_a_key_of_its_own(issuer: Issuer) -> str:
    key = MAKERS["RS256"][0]()
    header = {"kid": "one", "jwk": MAKERS["RS256"][1].to_jwk(key.public_key(), as_dict=True)}
    return jwt.encode(issuer.build_claims(), key, "RS256", header)


def _sign_by_a_longer_hash(issuer: Issuer) -> str:
    return jwt.encode(issuer.build_claims(), issuer.private_keys["one"][1], "RS512", {"kid": "one"})


def _change_the_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.sign().split(".")
    return f"{head}.{_encode(issuer.build_claims(sub='root'))}.{signature}"


def _leave_the_signature_out(issuer: Issuer) -> str:
    return issuer.sign().rpartition(".")[0] + "."


def _claim_another_algorithm(issuer: Issuer) -> str:
    issuer.add_key("curve", "ES256")
    return jwt.encode(
        issuer.build_claims(), issuer.private_keys["one"][1], "RS256", {"kid": "curve"}
    )


def _name_no_key(issuer: Issuer) -> str:
    return jwt.encode(issuer.build_claims(), issuer.private_keys["one"][1], "RS256")


FORGED: list[Callable[[Issuer], str]] = [
    _sign_nothing,
    _sign_with_the_public_key,
    _sign_with_a_key_of_its_own,
    _sign_by_a_longer_hash,
    _change_the_claims,
    _leave_the_signature_out,
    _claim_another_algorithm,
    _name_no_key,
    lambda issuer: issuer.sign(header={"kid": "unknown"}),
    lambda issuer: issuer.sign(header={"kid": "../keys"}),
    lambda issuer: issuer.sign(header={"crit": ["exp"], "exp": 1}),
    lambda _: "a.b.c",
    lambda _: "....",
    lambda _: "a" * 20_000,
]


FORGED_FAULTS = {"wrong-algorithm", "wrong-signature", "unknown-signer", "broken-token"}


@pytest.mark.parametrize("forge", FORGED)
def test_a_forged_token_lets_nobody_in(
    issuer: Issuer, tokens: Tokens, forge: Callable[[Issuer], str]
) -> None:
    """Each is an attack that some library fell for."""
    token = forge(issuer)

    with pytest.raises(NotAuthenticatedError) as refused:
        tokens.identify(token)
    assert token not in str(refused.value)
    assert refused.value.fault in FORGED_FAULTS


def test_a_shared_secret_among_the_issuers_keys_is_none(issuer: Issuer, tokens: Tokens) -> None:
    """A key set that holds one was never meant to be read by all, and its tokens prove nothing."""
    secret = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
    issuer.more_keys.append({"kty": "oct", "kid": "shared", "k": secret})

    for algorithm in ("HS256", "RS256"):
        token = jwt.encode(issuer.build_claims(), bytes(32), "HS256", {"kid": "shared"})
        head = _encode({"alg": algorithm, "kid": "shared"})
        with pytest.raises(NotAuthenticatedError):
            tokens.identify(".".join((head, *token.split(".")[1:])))


def test_the_site_adds_to_what_a_token_says(
    issuer: Issuer, tokens: Tokens, database: Engine
) -> None:
    """Roles of both count together; the site's project counts before the token's."""
    users = UserStore(database)
    with pytest.raises(NotAuthenticatedError, match="project"):
        tokens.identify(issuer.sign(tenant=None))  # the site parts projects by a claim
    users.put(User(SUBJECT, ("reviewer", "no-role-of-ours"), "site"))

    found = tokens.identify(issuer.sign(realm_access={"roles": "openid auditor"}, tenant="other"))
    users.remove(SUBJECT)
    after = tokens.identify(issuer.sign(realm_access=[1, 2], tenant="other"))
    for project in (["x"], "", "a/b", "a" * 33, "a\n"):
        with pytest.raises(NotAuthenticatedError, match="project"):
            tokens.identify(issuer.sign(tenant=project))

    assert (found.roles, found.project) == ({Role.REVIEWER, Role.AUDITOR}, "site")
    assert (after.roles, after.project) == (frozenset(), "other")


def test_a_token_opens_what_its_roles_may(issuer: Issuer, settings: Settings) -> None:
    """Over HTTP; an issuer that does not answer is no reason to blame the token."""
    site = settings.model_copy(
        update={"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE, "oidc_roles_claim": "roles"}
    )
    with TestClient(create_app(site)) as client:
        issuer.is_down = True
        early = client.get("/v1/jobs", headers=show(issuer.sign()))
    issuer.is_down = False
    with TestClient(create_app(site)) as client:
        allowed = client.get("/v1/jobs", headers=show(issuer.sign(roles=["viewer"])))
        beyond = client.get("/v1/rules", headers=show(issuer.sign(roles=["viewer"])))
        nobody = client.get("/v1/models", headers=show(issuer.sign()))
        forged = client.get("/v1/jobs", headers=show(_sign_nothing(issuer)))

    expect_problem(early, 503, "issuer-unreachable")
    assert allowed.status_code == 200
    expect_problem(beyond, 403, "not-allowed", SUBJECT, "rules")
    expect_problem(nobody, 403, "not-allowed")
    expect_problem(forged, 401, "not-authenticated")


def test_an_issuer_without_an_audience_is_a_fault(tmp_path: Path) -> None:
    """Its tokens for any other program would do; and keys that come in the clear prove nothing."""
    with pytest.raises(ValueError, match="OARLOCK_OIDC_AUDIENCE"):
        Settings(data=tmp_path, oidc_issuer="https://issuer.example")
    with pytest.raises(ValueError, match="https"):
        Settings(data=tmp_path, oidc_issuer="http://issuer.example", oidc_audience="oarlock")
