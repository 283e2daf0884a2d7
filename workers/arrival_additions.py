"""The short way of recording objects that only continue what is arriving already.

Nearly every object of a burst is the next slice of an arrival that its association has begun. For
those three statements do what `ArrivalStore.note` does in ten, and a commit does for all that wait.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, bindparam, update
from sqlalchemy.exc import IntegrityError, OperationalError

from workers.arrivals import ArrivalState
from workers.database import read_lease_clock, writing
from workers.instance_rows import enter_received
from workers.instances import ReceivedInstance
from workers.job_store import read_clock
from workers.tables import arrivals, arrived_instances

_GROW = (
    update(arrivals)
    .where(
        arrivals.c.id == bindparam("which"),
        arrivals.c.state == ArrivalState.RECEIVING,
    )
    .values(
        received=arrivals.c.received + bindparam("more"),
        has_ended=False,
        last_at=bindparam("at"),
        last_clock=bindparam("clock"),
        last_seconds=bindparam("now"),
        quiet_clock=bindparam("clock"),
        quiet_at=bindparam("until"),
    )
)


@dataclass(frozen=True)
class Addition:
    """The next object of an arrival; it is quiet again so many seconds later."""

    arrival_id: str
    instance: ReceivedInstance
    quiet_seconds: float


class ArrivalAdditions:
    """Additions to the arrivals of one database."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = read_clock) -> None:
        self._writing = writing(engine)
        self._now = now

    def add(self, additions: Sequence[Addition]) -> bool:
        """Record objects whose files are kept, all in one transaction.

        False, and nothing recorded, where one of them is no plain addition: it came before, or its
        arrival is not open any more.
        """
        rows = [
            {
                "arrival_id": one.arrival_id,
                "sop_instance_uid": one.instance.sop_instance_uid,
                "sha256": one.instance.sha256,
            }
            for one in additions
        ]
        quiet = {one.arrival_id: one.quiet_seconds for one in additions}
        counts = Counter(one.arrival_id for one in additions)
        try:
            with self._writing.begin() as connection:
                clock, seconds = read_lease_clock(connection)
                enter_received(connection, [one.instance for one in additions], self._now())
                connection.execute(arrived_instances.insert(), rows)
                # In order, for two that lock the same rows the other way round wait for ever.
                for arrival_id, count in sorted(counts.items()):
                    grown = {
                        "which": arrival_id,
                        "more": count,
                        "at": self._now(),
                        "clock": clock,
                        "now": seconds,
                        "until": seconds + quiet[arrival_id],
                    }
                    if connection.execute(_GROW, grown).rowcount != 1:
                        connection.rollback()
                        return False
        except (IntegrityError, OperationalError):  # also where two block each other (PostgreSQL)
            return False
        return True
