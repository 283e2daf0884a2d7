"""A worker that has stopped listening is told from one that has nothing to do, or much."""

from __future__ import annotations

import pytest

from workers import watchdog
from workers.watchdog import Watchdog, note_look

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def nobody_has_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process ran tasks, whose looks are remembered."""
    monkeypatch.setattr(watchdog._last_look, "value", 0.0)


@pytest.mark.parametrize(
    ("messages", "busy", "deaf"),
    [(3, False, True), (0, False, False), (None, False, False), (3, True, False)],
    ids=["messages wait", "nothing waits", "Redis is away", "it has a job"],
)
def test_a_worker_is_deaf_when_messages_wait_and_it_has_no_job(
    messages: int | None, busy: bool, deaf: bool
) -> None:
    """Nobody is ended for want of work or of Redis."""
    clock = Clock()
    dog = Watchdog(lambda: messages, lambda: busy, PATIENCE, clock.read)
    looks = []
    for clock.seconds in (30.0, 59.0, 61.0):
        looks.append(dog.is_deaf())

    assert looks == [False, False, deaf]


def test_a_worker_that_was_woken_meanwhile_has_all_the_time_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Short jobs come and go between two looks of the watchdog."""
    clock = Clock()
    monkeypatch.setattr("workers.watchdog.time.monotonic", lambda: clock.seconds)
    dog = Watchdog(lambda: 3, lambda: False, PATIENCE, clock.read)
    clock.seconds = 50.0
    note_look()

    looks = []
    for clock.seconds in (55.0, 100.0, 116.0):
        looks.append(dog.is_deaf())

    assert looks == [False, False, True]


def test_a_worker_that_was_frozen_itself_has_all_the_time_again() -> None:
    """A container that is paused for an hour could hear nothing meanwhile."""
    clock = Clock()
    dog = Watchdog(lambda: 3, lambda: False, PATIENCE, clock.read)

    looks = []
    for clock.seconds in (5.0, 3600.0, 3605.0, 3655.0, 3661.0):
        looks.append(dog.is_deaf())

    assert looks == [False, False, False, False, True]


class Clock:
    """A clock that stands still until it is set."""

    seconds = 0.0

    def read(self) -> float:
        """The time that was set."""
        return self.seconds
