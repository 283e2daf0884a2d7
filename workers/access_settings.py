"""Settings of who is let in over HTTP, and by what way."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from workers.api_keys import ID_LENGTH, LEAST_OWN_LENGTH, PREFIX, read_key_id

LEAST_SIGNS = 10  # different ones in a key that is chosen by hand


def _is_hard_to_guess(key: str) -> bool:
    """Whether it has the form of a key and is no word typed again and again."""
    return read_key_id(key) is not None and len(set(key.removeprefix(PREFIX))) >= LEAST_SIGNS


def is_private_url(url: str) -> bool:
    """Whether what comes from there is what its owner said: over TLS, or on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_here)
    )


class AccessSettings(BaseSettings):
    """A part of `Settings`."""

    tls_cert: Path | None = Field(
        None, description="Certificate of the HTTP server (PEM); unset: no TLS."
    )
    tls_key: Path | None = Field(
        None, description="Its private key (PEM); unset: it is in the certificate's file."
    )
    behind_proxy: bool = Field(
        False,
        description="Whether a proxy with TLS is before the HTTP server and nobody gets past it.",
    )
    proxy_addresses: str = Field(
        "127.0.0.1",
        description="Addresses of that proxy, parted by commas, whose X-Forwarded-For is believed.",
    )
    first_key: SecretStr | None = Field(
        None,
        description="The administrator's key named first, chosen by the site; unset: `oarlock "
        "serve` makes one on a terminal.",
    )
    key: SecretStr | None = Field(
        None, description="Key or token that `oarlock submit` shows the server."
    )
    oidc_issuer: str | None = Field(
        None,
        description="OpenID Connect issuer whose tokens are taken; unset: keys alone.",
    )
    oidc_audience: str | None = Field(
        None, description="Audience (`aud`) that its tokens must be for."
    )
    oidc_jwks_url: str | None = Field(
        None, description="Where its public keys are; unset: as its discovery document says."
    )
    oidc_roles_claim: str = Field(
        "",
        description="Claim of a token that names roles, or a path such as realm_access.roles; "
        "unset: only `oarlock users` gives roles.",
    )
    oidc_project_claim: str = Field(
        "", description="Claim of a token that names its project; unset: only `oarlock users` does."
    )
    oidc_keys_hours: float = Field(
        24, gt=0, description="Time for which known keys go on while the issuer does not answer."
    )
    requests_per_minute: int = Field(
        12_000, ge=1, description="Most requests of one key or user in a minute, to each process."
    )
    login_failures_per_minute: int = Field(
        60, ge=1, description="Failed logins of one address in a minute after which it gets 429."
    )

    @field_validator("first_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _is_hard_to_guess(key.get_secret_value()):
            raise ValueError(
                f"a key is {PREFIX} and at least {LEAST_OWN_LENGTH + ID_LENGTH} random letters and "
                f"digits: echo {PREFIX}$(openssl rand -hex 32)"
            )
        return key

    @field_validator("oidc_issuer", "oidc_jwks_url")
    @classmethod
    def _comes_by_tls(cls, url: str | None) -> str | None:
        if url is not None and not is_private_url(url):
            raise ValueError("keys come by https, or from this machine")
        return url

    @model_validator(mode="after")
    def _has_a_whole_issuer(self) -> Self:
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("OARLOCK_OIDC_ISSUER and OARLOCK_OIDC_AUDIENCE go together")
        return self
