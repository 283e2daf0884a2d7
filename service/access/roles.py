"""Roles, and the one table of what each may do; each route says which of these it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to this server; one may have several roles."""

    SENDER = "sender"
    VIEWER = "viewer"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What a route takes; its value is how it reads in a sentence."""

    PROBE = "see that the server lives"
    DESCRIBE = "see what can be asked for"
    SEND = "send objects and series"
    FOLLOW = "follow a job by its id"
    JUDGE = "have a file checked or linted"
    VIEW = "see what came in and what was made of it"
    FETCH = "fetch objects and structure sets"
    REVIEW = "cancel, repeat, release and send jobs"
    SEE_RULES = "see the rules in force"
    TRY_RULES = "try rules on a series"
    SEE_HEALTH = "see metrics and the health of parts"
    HOLD = "keep jobs from being purged"


OPEN = Permission.PROBE
"""What anybody may do, without a key."""

_EVERYBODY = frozenset({OPEN, Permission.DESCRIBE})
_VIEWER = _EVERYBODY | {
    Permission.FOLLOW,
    Permission.JUDGE,
    Permission.VIEW,
    Permission.FETCH,
}

MAY: Mapping[Role, frozenset[Permission]] = {
    Role.SENDER: _EVERYBODY | {Permission.SEND, Permission.FOLLOW, Permission.JUDGE},
    Role.VIEWER: _VIEWER,
    Role.REVIEWER: _VIEWER | {Permission.REVIEW, Permission.SEE_RULES, Permission.TRY_RULES},
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.AUDITOR: _EVERYBODY | {Permission.SEE_RULES, Permission.SEE_HEALTH},
}


def read_roles(names: Iterable[object]) -> frozenset[Role]:
    """The roles among some names; what a later version or another program calls so gives none."""
    given = list(names)
    return frozenset(role for role in Role if role.value in given)
