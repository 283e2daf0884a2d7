"""Who may do what: requests that are turned away."""

from __future__ import annotations

from contouring.errors.login_faults import LoginFault
from contouring.errors.root import OarlockError


class AccessError(OarlockError):
    """A request that whoever sent it may not make; `fault`: why, as records call it."""

    code = "access-refused"

    @property
    def fault(self) -> str:
        """Of most kinds the kind says it all."""
        return self.code


class NotAuthenticatedError(AccessError):
    """Nobody who is known; `reason` is of the key or token, and never holds it.

    `key_id`: the part that may be shown of a key that was one once.
    """

    code = "not-authenticated"

    def __init__(self, reason: str, login_fault: LoginFault, key_id: str | None = None) -> None:
        self.reason, self.login_fault, self.key_id = reason, login_fault, key_id
        super().__init__(
            f"{reason}: send a key as `Authorization: Bearer oarlock_...`, as X-API-Key, or as the "
            "password of its name; whoever runs the server makes one with `oarlock keys create`."
        )

    @property
    def fault(self) -> str:
        """What is wrong with the key or token."""
        return self.login_fault.value


class NotAllowedError(AccessError):
    """Somebody who is known, and has no role that may do this."""

    code = "not-allowed"

    def __init__(self, name: str, permission: str) -> None:
        self.name, self.permission = name, permission
        super().__init__(
            f"{name} may not do this ({permission}): ask whoever runs the server for a role that "
            "may; docs/access.md lists them."
        )


class CrossSiteError(AccessError):
    """A page of another site made a browser ask, which sends what it knows by itself."""

    code = "cross-site"

    def __init__(self, origin: str) -> None:
        self.origin = origin
        super().__init__(
            f"A page of another site ({origin}) sent this through a browser, and nothing was done."
        )


class TooManyRequestsError(AccessError):
    """More than one sender may ask in a minute."""

    code = "too-many-requests"

    def __init__(self, who: str, seconds: str) -> None:
        self.who, self.seconds = who, seconds
        super().__init__(f"Too many requests of {who}: try again in {seconds} s.")


class IssuerUnreachableError(AccessError):
    """The keys that tokens are signed with cannot be had."""

    code = "issuer-unreachable"

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        super().__init__(
            f"{issuer} does not tell the keys of its tokens: try again in a minute, or use a key."
        )
