"""What a request shows to be let in: a key or a token, from its headers."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from contouring.errors import NotAuthenticatedError
from contouring.errors.login_faults import LoginFault
from workers.api_keys import PREFIX


@dataclass(frozen=True)
class Credentials:
    """`secret`: a key or a token; `user_name`: what HTTP Basic says beside it."""

    secret: str = field(repr=False)
    user_name: str | None = None

    @property
    def is_key(self) -> bool:
        """Whether it is a key and no token."""
        return self.user_name is not None or self.secret.startswith(PREFIX)


def read_credentials(headers: Headers) -> Credentials | None:
    """None where a request shows nothing. X-API-Key counts first: a proxy may want the other.

    Raises `NotAuthenticatedError` for what is none.
    """
    key = headers.get("x-api-key")
    if key is not None:
        if not key.startswith(PREFIX):
            raise _unreadable("X-API-Key holds no key")
        return Credentials(key)
    header = headers.get("authorization")
    if header is None:
        return None
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer" and rest:
        return Credentials(rest.strip())
    if scheme.lower() == "basic":
        return _read_basic(rest.strip())
    raise _unreadable("The header Authorization is neither Bearer nor Basic")


def _read_basic(encoded: str) -> Credentials:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError as error:  # no ASCII, no base64, no UTF-8
        raise _unreadable("The header Authorization cannot be read") from error
    name, colon, password = text.partition(":")
    if not colon:
        raise _unreadable("The header Authorization holds no password")
    return Credentials(password, name)


def _unreadable(reason: str) -> NotAuthenticatedError:
    return NotAuthenticatedError(reason, LoginFault.UNREADABLE)
