"""A flood of refusals leaves few records, and none of them is forgotten."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from workers.audit.actors import Actor
from workers.audit.audit_store import AuditFilter, AuditStore
from workers.audit.entries import AuditEntry
from workers.audit.events import AuditEvent
from workers.audit.refusals import RECORDS, WINDOW_SECONDS, Refusals


class Clock:
    """Stands until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refuse(address: str, **details: str) -> AuditEntry:
    """One refusal of an address."""
    return AuditEntry(AuditEvent.LOGIN_FAILED, actor=Actor("", address), details=details)


@pytest.fixture
def store(engine: Engine) -> AuditStore:
    """Records of an empty database."""
    return AuditStore(engine)


def test_a_flood_is_folded_and_counted(store: AuditStore) -> None:
    """Of the one who makes it; another address still has records of its own."""
    clock = Clock()
    refusals = Refusals(store, clock)
    for _ in range(RECORDS + 70):
        refusals.note(refuse("10.0.0.6"))
    refusals.note(refuse("10.0.0.7"))
    during = store.count(AuditFilter())
    clock.now = WINDOW_SECONDS
    refusals.note(refuse("10.0.0.6"))

    *_, last = store.search(AuditFilter())

    assert during == RECORDS + 1
    assert (last.actor.address, last.details) == ("10.0.0.6", {"folded": 70})


def test_a_reason_is_not_folded_away_by_another(store: AuditStore) -> None:
    """That the limit was reached must be seen, however many came before it."""
    refusals = Refusals(store, Clock())
    for _ in range(RECORDS + 1):
        refusals.note(refuse("10.0.0.6", fault="unknown-key"))
    refusals.note(refuse("10.0.0.6", fault="too-many-requests"))

    *_, last = store.search(AuditFilter())

    assert store.count(AuditFilter()) == RECORDS + 1
    assert last.details == {"fault": "too-many-requests"}


def test_a_refusal_does_not_fail_with_its_record(engine: Engine, store: AuditStore) -> None:
    """Whoever is refused must not be let in, nor the server fall, because a table is gone."""
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE audit_records")
        connection.commit()

    Refusals(store).note(refuse("10.0.0.6"))
