"""What a connection's threads may count on."""

from __future__ import annotations

import threading
import time

from service.dimse.wire import Patience


def test_a_sender_whose_object_is_stored_is_not_silent() -> None:
    """However long that takes; from then on its silence counts anew."""
    patience = Patience(0.05)
    patience.start()

    with patience.suspended():
        time.sleep(0.1)
        assert not patience.expired

    assert not patience.expired
    time.sleep(0.1)
    assert patience.expired


def test_it_may_be_asked_at_any_moment() -> None:
    """Another thread asks in each of its rounds; pynetdicom's own timer fails now and then."""
    patience = Patience(60.0)
    patience.start()
    stop, faults = threading.Event(), list[Exception]()

    def ask() -> None:
        while not stop.is_set():
            try:
                assert not patience.expired
            except (AssertionError, TypeError) as error:
                faults.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(100_000):
        with patience.suspended():
            pass
    stop.set()
    asking.join()

    assert faults == []
