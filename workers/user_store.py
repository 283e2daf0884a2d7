"""People whom an identity provider knows, and what the site lets each of them do here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select

from workers.audit.chain import note
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.database import writing
from workers.job_store import read_clock
from workers.tables import users


@dataclass(frozen=True)
class User:
    """Roles of one subject (`sub` of its tokens)."""

    subject: str
    roles: tuple[str, ...]
    project: str | None


class UserStore:
    """Users of one database."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = read_clock) -> None:
        self._reading = engine
        self._writing = writing(engine)
        self._now = now

    def find(self, subject: str) -> User | None:
        """What is known of a subject."""
        with self._reading.connect() as connection:
            row = connection.execute(select(users).where(users.c.subject == subject)).one_or_none()
        return None if row is None else User(row.subject, tuple(row.roles), row.project)

    def list_all(self) -> tuple[User, ...]:
        """All users, by their subjects."""
        with self._reading.connect() as connection:
            rows = connection.execute(select(users).order_by(users.c.subject))
            return tuple(User(row.subject, tuple(row.roles), row.project) for row in rows)

    def put(self, user: User) -> None:
        """Add a user, or give one that there is other roles."""
        roles = sorted(user.roles)
        values = {"roles": roles, "project": user.project, "created_at": self._now()}
        with self._writing.begin() as connection:
            connection.execute(delete(users).where(users.c.subject == user.subject))
            connection.execute(users.insert().values(subject=user.subject, **values))
            told = {"name": user.subject, "roles": ",".join(roles), "project": user.project or ""}
            note(connection, AuditEntry(AuditEvent.USER_CHANGED, details=told))

    def remove(self, subject: str) -> bool:
        """Forget a user; False if there was none."""
        with self._writing.begin() as connection:
            if not connection.execute(delete(users).where(users.c.subject == subject)).rowcount:
                return False
            note(connection, AuditEntry(AuditEvent.USER_REMOVED, details={"name": subject}))
            return True
