"""A key: what a program or a person shows to be let in. Only its SHA-256 is kept.

A fast hash is enough: a key is made of 256 random bits, which nobody guesses one by one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

PREFIX = "oarlock_"
ID_LENGTH = 8
SECRET_BYTES = 32
LEAST_OWN_LENGTH = 32  # of what is chosen by hand, behind the prefix and the id

_KEY = re.compile(rf"{PREFIX}([A-Za-z0-9]{{{ID_LENGTH}}})[A-Za-z0-9_-]{{{LEAST_OWN_LENGTH},128}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; `id` is a part of it that may be shown."""

    id: str
    sha256: str
    name: str
    roles: tuple[str, ...]
    project: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def matches(self, text: str) -> bool:
        """Whether this is the key, in a time that tells nothing of it."""
        return hmac.compare_digest(self.sha256, hash_key(text))

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        has_expired = self.expires_at is not None and self.expires_at <= now
        return self.revoked_at is not None or has_expired


def make_key() -> str:
    """A new key: its prefix, its id, and 256 random bits."""
    words = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    return f"{PREFIX}{words}{secrets.token_urlsafe(SECRET_BYTES)}"


def read_key_id(text: str) -> str | None:
    """The id of what looks like a key."""
    match = _KEY.fullmatch(text)
    return match[1] if match else None


def is_key_name(text: str) -> bool:
    """Whether a key may be called so; HTTP Basic allows no colon in the name of a user."""
    return _NAME.fullmatch(text) is not None


def hash_key(text: str) -> str:
    """SHA-256 (hex) of a key."""
    return hashlib.sha256(text.encode()).hexdigest()
