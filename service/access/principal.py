"""Who sent a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.access.roles import MAY, Permission, Role


@dataclass(frozen=True)
class Principal:
    """Somebody who is known, as `request.state.principal`; None there is nobody.

    `name`: of the key, or the token's subject; `project`: the only one it sees, None meaning all;
    `key_id`: the part of a key that may be shown.
    """

    name: str
    kind: Literal["key", "user"]
    roles: frozenset[Role]
    project: str | None = None
    key_id: str | None = None

    def may(self, permission: Permission) -> bool:
        """Whether one of its roles may do this."""
        return any(permission in MAY[role] for role in self.roles)
