"""Finds who a request is of, by a key or a token."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from starlette.datastructures import Headers

from contouring.errors import NotAuthenticatedError
from contouring.errors.login_faults import LoginFault
from service.access.credentials import Credentials, read_credentials
from service.access.issuer_keys import IssuerKeys
from service.access.key_ring import KeyRing
from service.access.principal import Principal
from service.access.rate_limits import RateLimits
from service.access.roles import Role
from service.access.tokens import TokenRules, Tokens
from workers.key_store import KeyStore
from workers.settings import Settings
from workers.user_store import UserStore

HOUR_SECONDS = 3600.0


@dataclass(frozen=True)
class Access:
    """Everything that decides on who is let in."""

    keys: KeyRing
    tokens: Tokens | None
    limits: RateLimits

    def identify(self, headers: Headers) -> Principal | None:
        """Who asks; None where nothing is shown. Raises `AccessError`; reads the database."""
        shown = read_credentials(headers)
        return None if shown is None else self._identify(shown)

    def _identify(self, shown: Credentials) -> Principal:
        if shown.is_key:
            return self.keys.identify(shown)
        if self.tokens is None:
            raise NotAuthenticatedError(
                "It is no key, and this server takes no tokens", LoginFault.NO_TOKENS
            )
        return self.tokens.identify(shown.secret)


def open_access(engine: Engine, settings: Settings) -> Access:
    """As the settings have it; a first key that they name is there from now on."""
    store = KeyStore(engine)
    if settings.first_key is not None:
        store.ensure_first(settings.first_key.get_secret_value(), [Role.ADMINISTRATOR])
    limits = RateLimits(settings.requests_per_minute, settings.login_failures_per_minute)
    return Access(KeyRing(store), _open_tokens(engine, settings), limits)


def _open_tokens(engine: Engine, settings: Settings) -> Tokens | None:
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    rules = TokenRules(
        settings.oidc_issuer,
        settings.oidc_audience,
        settings.oidc_roles_claim,
        settings.oidc_project_claim,
    )
    kept_seconds = HOUR_SECONDS * settings.oidc_keys_hours
    keys = IssuerKeys(settings.oidc_issuer, settings.oidc_jwks_url, kept_seconds)
    return Tokens(rules, keys, UserStore(engine))
