"""Tokens of an OpenID Connect issuer (RFC 7519, RFC 9068): whose they are, and what they allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from contouring.errors import NotAuthenticatedError
from contouring.errors.login_faults import LoginFault
from service.access.issuer_keys import IssuerKeys
from service.access.principal import Principal
from service.access.roles import read_roles
from workers.sources import PROJECT
from workers.user_store import User, UserStore

# Never `none`, and never a shared secret (HS256): a public key would pass for it.
ALGORITHMS = ("RS256", "ES256", "EdDSA")
LEEWAY_SECONDS = 30.0  # of clocks that differ
LONGEST_SUBJECT = 255
REQUIRED = ("exp", "iat", "iss", "aud", "sub")
FAULTS: Mapping[type[Exception], LoginFault] = {
    jwt.ExpiredSignatureError: LoginFault.LATE,
    jwt.ImmatureSignatureError: LoginFault.EARLY,
    jwt.InvalidAudienceError: LoginFault.WRONG_AUDIENCE,
    jwt.InvalidIssuerError: LoginFault.WRONG_ISSUER,
    jwt.InvalidSignatureError: LoginFault.WRONG_SIGNATURE,
    jwt.MissingRequiredClaimError: LoginFault.MISSING_CLAIM,
}
"""What PyJWT finds; anything else is no whole token."""


@dataclass(frozen=True)
class TokenRules:
    """What a token must say; `roles_claim`: a name or a path of names parted by dots."""

    issuer: str
    audience: str
    roles_claim: str
    project_claim: str


class Tokens:
    """Judges tokens of one issuer."""

    def __init__(self, rules: TokenRules, keys: IssuerKeys, users: UserStore) -> None:
        self._rules = rules
        self._keys = keys
        self._users = users

    def identify(self, token: str) -> Principal:
        """Whose token this is. Raises `NotAuthenticatedError` and `IssuerUnreachableError`."""
        claims = self._read(token)
        subject = claims["sub"]
        if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise NotAuthenticatedError(
                "The token's subject cannot be the name of anybody", LoginFault.WRONG_SUBJECT
            )
        user = self._users.find(subject)
        told = _find_claim(claims, self._rules.roles_claim)
        names = told.split() if isinstance(told, str) else told  # as OAuth writes a scope
        roles = read_roles(names if isinstance(names, list) else ())
        if user is not None:
            roles |= read_roles(user.roles)
        return Principal(subject, "user", roles, self._find_project(claims, user))

    def _find_project(self, claims: Mapping[str, Any], user: User | None) -> str | None:
        """As the site says, or else as the token does where it has to: no word is not all of it."""
        if user is not None or not self._rules.project_claim:
            return None if user is None else user.project
        claimed = _find_claim(claims, self._rules.project_claim)
        if not isinstance(claimed, str) or not re.fullmatch(PROJECT, claimed):
            raise NotAuthenticatedError("The token names no project", LoginFault.NO_PROJECT)
        return claimed

    def _read(self, token: str) -> Mapping[str, Any]:
        try:
            # Of the header only these two count: what it says of where its key lies (jku, x5u,
            # jwk, x5c) is the word of whoever made the token.
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS or not isinstance(key_id, str):
                raise NotAuthenticatedError(
                    "The token names no key, or an algorithm that is none",
                    LoginFault.WRONG_ALGORITHM,
                )
            key = self._keys.find(key_id)
            if key.algorithm_name != algorithm:
                raise NotAuthenticatedError(
                    "The token's algorithm is not the one of its key", LoginFault.WRONG_ALGORITHM
                )
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(REQUIRED), "verify_sub": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # Its kind alone: the words may quote the token.
            name = type(error).__name__
            fault = FAULTS.get(type(error), LoginFault.BROKEN)
            raise NotAuthenticatedError(f"The token is refused ({name})", fault) from error


def _find_claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its path: realm_access.roles, say; a claim with dots in its name comes first."""
    if not path:
        return None
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
