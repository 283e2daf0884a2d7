"""Storage commitments that were asked for (PS3.4 Annex J): each a row until its sender was told."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, or_, select, update

from contouring.errors import IdentityError, TamperedIdentityError
from workers.database import read_lease_clock, writing
from workers.deliveries import Pauses
from workers.identities import PLAIN, Identities
from workers.job_store import read_clock
from workers.sources import Source, SourceKind
from workers.tables import commitments

TRIES = Pauses(first_seconds=30.0, longest_seconds=3600.0, total_hours=24.0)


PLACE = "commitment"  # of what is hidden, in the place of a series
HIDDEN = ""  # no SOP class

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Commitment:
    """What a sender wants to hear about; `objects`: SOP Class and Instance UIDs."""

    id: str
    transaction_uid: str
    source: Source
    objects: tuple[tuple[str, str], ...]
    tries: int


class CommitmentStore:
    """Commitments of one database."""

    def __init__(
        self,
        engine: Engine,
        pauses: Pauses = TRIES,
        now: Callable[[], datetime] = read_clock,
        identities: Identities = PLAIN,
    ) -> None:
        self._writing = writing(engine)
        self._pauses = pauses
        self._now = now
        self._identities = identities

    def add(
        self,
        transaction_uid: str,
        source: Source,
        objects: Sequence[tuple[str, str]],
        wait_seconds: float,
    ) -> Commitment:
        """Record a request whose first try is due in so many seconds; it survives a crash."""
        added = Commitment(str(uuid.uuid4()), transaction_uid, source, tuple(objects), tries=0)
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            row = asdict(added) | self._hide(transaction_uid, objects)
            due = {"due_clock": clock, "due_at": seconds + wait_seconds}
            connection.execute(commitments.insert().values(**row, **due, created_at=self._now()))
        return added

    def hasten(self, commitment: Commitment) -> None:
        """The next try is due now."""
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            mine = update(commitments).where(commitments.c.id == commitment.id)
            connection.execute(mine.values(due_clock=clock, due_at=seconds))

    def claim_due(self, but_for: Collection[str] = ()) -> Commitment | None:
        """Take one that is due, but none of these ids; the try counts, and the next one is due
        after a pause.

        Raises `IdentityError` for one that does not open: its try counts, and the last one ends it.
        """
        row = self._take_due(but_for)
        if row is None:
            return None
        try:
            return self._read(row)
        except IdentityError:
            if self._has_no_try_after(row.tries + 1):
                log.error("commitment %s, which never opened, is told to nobody", row.id)
                self._remove(row.id)
            raise

    def is_last_try(self, commitment: Commitment) -> bool:
        """Whether there is none after it."""
        return self._has_no_try_after(commitment.tries)

    def remove(self, commitment: Commitment) -> None:
        """Its sender was told, or cannot be."""
        self._remove(commitment.id)

    def _has_no_try_after(self, tries: int) -> bool:
        return tries >= self._pauses.tries_limit

    def _remove(self, commitment_id: str) -> None:
        with self._writing.begin() as connection:
            connection.execute(delete(commitments).where(commitments.c.id == commitment_id))

    def _take_due(self, but_for: Collection[str]) -> Row[Any] | None:
        with self._writing.begin() as connection:
            clock, seconds = read_lease_clock(connection)
            is_due = or_(commitments.c.due_clock != clock, commitments.c.due_at <= seconds)
            wanted = commitments.c.id.not_in(list(but_for))
            turn = select(commitments).where(is_due, wanted)
            turn = turn.order_by(commitments.c.due_at).limit(1)
            row = connection.execute(turn.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            tries = row.tries + 1
            values = {
                "tries": tries,
                "due_clock": clock,
                "due_at": seconds + self._pauses.find_seconds(tries),
            }
            mine = commitments.c.id == row.id
            connection.execute(update(commitments).where(mine).values(values))
            return row

    def _hide(self, transaction_uid: str, objects: Sequence[tuple[str, str]]) -> dict[str, Any]:
        pairs = [list(pair) for pair in objects]
        told = json.dumps([transaction_uid, pairs])
        hidden = self._identities.hide_words(told, PLACE)
        if hidden == told:
            return {"objects": pairs}
        transaction_uid = self._identities.hide_uid(transaction_uid)
        return {"objects": [[HIDDEN, hidden]], "transaction_uid": transaction_uid}

    def _read(self, row: Row[Any]) -> Commitment:
        transaction_uid, objects = row.transaction_uid, row.objects
        if objects and objects[0][0] == HIDDEN:
            told = self._identities.reveal_words(objects[0][1], PLACE)
            try:
                transaction_uid, objects = json.loads(told)
            except ValueError as error:
                raise TamperedIdentityError("what was asked for is not sealed.") from error
        return Commitment(
            id=row.id,
            transaction_uid=transaction_uid,
            source=Source(**{**row.source, "kind": SourceKind(row.source["kind"])}),
            objects=tuple((sop_class, instance) for sop_class, instance in objects),
            tries=row.tries + 1,
        )
