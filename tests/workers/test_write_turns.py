"""Writers of one SQLite take turns, and none waits for long beside those that never pause."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from workers.write_turns import waiting_in_turn


def test_only_one_writer_begins_at_a_time(tmp_path: Path) -> None:
    """The others wait until it has begun."""
    database = str(tmp_path / "jobs.sqlite")
    inside: list[int] = []
    most: list[int] = []

    def write() -> None:
        for _ in range(50):
            with waiting_in_turn(database, patience_seconds=60.0):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert (len(most), max(most)) == (400, 1)


@pytest.mark.parametrize("name", ["jobs.sqlite", "missing/jobs.sqlite"])
def test_who_cannot_have_a_turn_writes_without_one(tmp_path: Path, name: str) -> None:
    """A process that is frozen, or a disk that is full, must stop nobody."""
    with (tmp_path / "jobs.sqlite-turns").open("w") as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)

        with waiting_in_turn(str(tmp_path / name), patience_seconds=0.05):
            has_begun = True

    assert has_begun
