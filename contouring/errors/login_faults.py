"""Why somebody was not let in, as records call it."""

from __future__ import annotations

from enum import StrEnum


class LoginFault(StrEnum):
    """Stable names; none says anything of a key or token but what is wrong with it."""

    NOTHING_SHOWN = "nothing-shown"
    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown-key"
    REVOKED_KEY = "revoked-key"
    EXPIRED_KEY = "expired-key"
    WRONG_NAME = "wrong-name"
    NO_TOKENS = "no-tokens-here"
    LATE = "expired-token"
    EARLY = "early-token"
    WRONG_ISSUER = "wrong-issuer"
    WRONG_AUDIENCE = "wrong-audience"
    WRONG_ALGORITHM = "wrong-algorithm"
    WRONG_SIGNATURE = "wrong-signature"
    UNKNOWN_SIGNER = "unknown-signer"
    MISSING_CLAIM = "missing-claim"
    BROKEN = "broken-token"
    WRONG_SUBJECT = "wrong-subject"
    NO_PROJECT = "no-project"
