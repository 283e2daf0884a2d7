"""Objects of several associations are kept together, and each as if it had come alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.workers.arriving import PACS, receive
from workers.arrival_additions import ArrivalAdditions
from workers.arrival_store import ArrivalStore
from workers.arrivals import ArrivalState
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance
from workers.reception import Reception
from workers.shared_keeping import SharedKeeping
from workers.sources import Source


class Desk:
    """What a node keeps objects with."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._folder = folder
        self.files = InstanceFiles(folder)
        self.arrivals = ArrivalStore(engine)
        self.keeping = SharedKeeping(self.files, ArrivalAdditions(engine))

    def open(self, source: Source = PACS) -> Reception:
        """A new association of a source."""
        return Reception(self.files, self.arrivals, source, 30)

    def send(self, reception: Reception, objects: Sequence[ReceivedInstance]) -> None:
        """Stage objects and keep them one by one, as an association does."""
        for one in objects:
            staged = self._folder / f"staged-{os.urandom(8).hex()}"
            staged.write_bytes(b"content")
            self.keeping.keep(reception, replace(one, path=staged))

    def count(self) -> list[int]:
        """Objects of each arrival that is still open."""
        return sorted(one.received for one in self.arrivals.find_receiving())


@pytest.fixture
def desk(engine: Engine, tmp_path: Path) -> Desk:
    """A desk with nothing on it."""
    return Desk(engine, tmp_path)


def test_associations_that_send_at_once_lose_and_double_nothing(desk: Desk) -> None:
    """Two of one source share an arrival; another source has one of its own."""
    scanner = replace(PACS, name="scanner")
    with ThreadPoolExecutor(4) as pool:
        for source, start in ((PACS, 0), (PACS, 20), (scanner, 0), (scanner, 20)):
            pool.submit(desk.send, desk.open(source), receive(range(start, start + 20)))

    assert desk.count() == [40, 40]
    (first, second) = desk.arrivals.find_receiving()
    expected = {one.sop_instance_uid: one.sha256 for one in receive(range(40))}
    assert desk.arrivals.find_contents(first.id) == expected
    assert desk.arrivals.find_contents(second.id) == expected
    assert all(desk.files.find(sha256).is_file() for sha256 in expected.values())


def test_an_object_that_comes_twice_counts_once(desk: Desk) -> None:
    """A sender that heard no answer sends it again."""
    reception = desk.open()

    desk.send(reception, [*receive(range(5)), *receive(range(3, 7))])

    assert desk.count() == [7]


def test_an_object_that_comes_with_other_bytes_sets_the_arrival_aside(desk: Desk) -> None:
    """The short way must not mix what the long way would not."""
    reception = desk.open()
    desk.send(reception, receive(range(5)))

    desk.send(reception, receive([2], version="corrected"))
    desk.send(reception, receive([3], version="corrected"))

    assert desk.count() == [2]
    states = {one.state for one in desk.arrivals.list_page(10)}
    assert states == {ArrivalState.RECEIVING, ArrivalState.SET_ASIDE}


def test_what_comes_while_an_arrival_is_judged_begins_another(desk: Desk) -> None:
    """The judge's picture of it must not change under its eyes."""
    reception = desk.open()
    desk.send(reception, receive(range(5)))
    (judged,) = desk.arrivals.find_receiving()
    assert desk.arrivals.claim(judged)

    desk.send(reception, receive(range(5, 8)))

    assert len(desk.arrivals.find_contents(judged.id)) == 5
    assert desk.count() == [3]


def test_an_association_that_goes_on_is_not_taken_as_ended(desk: Desk) -> None:
    """Another one that ended meanwhile says nothing of it."""
    first, second = desk.open(), desk.open()
    desk.send(first, receive(range(5)))
    desk.send(second, receive(range(5, 8)))
    second.end()

    desk.send(first, receive(range(8, 10)))

    (arrival,) = desk.arrivals.find_receiving()
    assert (arrival.received, arrival.has_ended) == (10, False)


def test_a_file_that_cannot_be_kept_is_no_success(desk: Desk) -> None:
    """And nothing is recorded of it."""
    (one,) = receive([1])

    with pytest.raises(FileNotFoundError):
        desk.keeping.keep(desk.open(), replace(one, path=Path("/nowhere")))

    assert desk.count() == []
