"""Receivers that do what real ones do on bad days."""

from __future__ import annotations

import threading

from contouring.errors import DeliveryError
from workers.destinations.parcels import Parcel, Receiver


class Accepting:
    """A receiver that takes everything."""

    def send(self, _parcel: Parcel) -> str:
        """Take it."""
        return ""

    def probe(self) -> str:
        """Be there."""
        return ""


class Breaking(Accepting):
    """One that fails as nobody thought of."""

    words = "CANARY"

    def send(self, _parcel: Parcel) -> str:
        """Break."""
        raise ZeroDivisionError(self.words)


class Recorder(Accepting):
    """Notes the UIDs of all that is sent to a receiver, and whether it arrived."""

    def __init__(self, receiver: Receiver) -> None:
        self.arrived: list[str] = []
        self.failed: list[str] = []
        self.uids: set[str] = set()
        self._receiver = receiver

    def send(self, parcel: Parcel) -> str:
        """Pass it on."""
        self.uids.add(parcel.sop_instance_uid)
        try:
            note = self._receiver.send(parcel)
        except DeliveryError:
            self.failed.append(parcel.sop_instance_uid)
            raise
        self.arrived.append(parcel.sop_instance_uid)
        return note


class LosingTheFirstAnswer(Accepting):
    """A line that breaks after the receiver has stored, and before its answer is here."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._has_lost = False

    def send(self, parcel: Parcel) -> str:
        """Pass it on, and lose the first answer."""
        note = self._receiver.send(parcel)
        if not self._has_lost:
            self._has_lost = True
            raise DeliveryError("the line broke.")
        return note


class Stuck(Accepting):
    """A receiver that says nothing until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.at_once = self.most_at_once = 0
        self._counting = threading.Lock()

    def send(self, _parcel: Parcel) -> str:
        """Wait."""
        with self._counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.let_go.wait(60)
        with self._counting:
            self.at_once -= 1
        return ""
