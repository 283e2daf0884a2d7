"""Credentials: their secrets are read where they lie at each use, so that they may change."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import DeliveryError


@dataclass(frozen=True)
class Secret:
    """A secret in a file or in an environment variable, never in the destinations' file."""

    file: Path | None = None
    variable: str | None = None

    def read(self) -> str:
        """The secret without the space around it."""
        if self.file is not None:
            try:
                text = self.file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is no text"
                raise DeliveryError(
                    f"its secret in {self.file} cannot be read ({reason})."
                ) from error
        else:
            text = os.environ.get(self.variable or "", "")
        if not text.strip():
            where = self.file or f"the environment variable {self.variable}"
            raise DeliveryError(f"its secret in {where} is empty.")
        return text.strip()


@dataclass(frozen=True)
class Credentials:
    """Who we say we are: a bearer token, or a user with a password."""

    secret: Secret
    user: str | None = None

    def build_header(self) -> str:
        """The value of Authorization (RFC 6750, RFC 7617)."""
        secret = self.secret.read()
        if self.user is None:
            return f"Bearer {secret}"
        return f"Basic {b64encode(f'{self.user}:{secret}'.encode()).decode()}"
