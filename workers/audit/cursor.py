"""How far the collector is: one process at a time sends, and moves the cursor once it has."""

from __future__ import annotations

import uuid

from sqlalchemy import Engine, or_, update

from workers.database import read_lease_clock, writing
from workers.tables import audit_cursor

LEASE_SECONDS = 60.0


class AuditCursor:
    """The cursor of one database, in the hands of one process."""

    def __init__(self, engine: Engine) -> None:
        self._writing = writing(engine)
        self._holder = str(uuid.uuid4())

    def claim(self) -> int | None:
        """The number of the last record that was taken; None while another process sends."""
        cursor = audit_cursor.c
        with self._writing.begin() as connection:
            clock, now = read_lease_clock(connection)
            is_free = or_(
                cursor.holder.is_(None),
                cursor.holder == self._holder,
                cursor.lease_clock != clock,
                cursor.lease_until < now,
            )
            claim = update(audit_cursor).where(is_free)
            claim = claim.values(
                holder=self._holder, lease_clock=clock, lease_until=now + LEASE_SECONDS
            )
            sent: int | None = connection.scalar(claim.returning(cursor.sent))
            return sent

    def move(self, number: int) -> bool:
        """Note that all up to a record are taken; False where another process sends by now."""
        mine = update(audit_cursor).where(audit_cursor.c.holder == self._holder)
        with self._writing.begin() as connection:
            return connection.execute(mine.values(sent=number)).rowcount == 1

    def give_up(self) -> None:
        """Let another process send at once."""
        mine = update(audit_cursor).where(audit_cursor.c.holder == self._holder)
        with self._writing.begin() as connection:
            connection.execute(mine.values(holder=None, lease_clock=None, lease_until=None))
