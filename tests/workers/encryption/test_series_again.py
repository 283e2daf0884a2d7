"""A series that comes again, now encrypted, takes nothing from an earlier job that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from contouring.opened_files import read_file
from tests.workers.encryption.conftest import Safe
from workers.encryption.inventory import Inventory, count_files
from workers.series_store import SeriesStore

KeepSeries = Callable[[list[bytes]], str]
ROUNDS = 30


@pytest.fixture
def plain(safe: Safe, slices: list[bytes], keep_series: KeepSeries) -> Path:
    """The folder of a job's series from before encryption was turned on, as it is now."""
    off = safe.reopen(encryption_key_file=None)
    digest = keep_series(slices)
    off.close()
    safe.reopen()
    return SeriesStore(safe.data).find_folder(digest)


def read_slices(folder: Path) -> list[bytes]:
    """As a worker does: the names first, then one file after the other."""
    return [read_file(path) for path in sorted(folder.iterdir())]


def test_a_series_that_cannot_be_kept_again_leaves_the_earlier_job_its_own(
    safe: Safe, slices: list[bytes], plain: Path
) -> None:
    """Its sender is told that it failed; the job's sender was told that it is kept."""
    kept = safe.keep(*slices)
    kept[-1].unlink()  # the last link fails, as on a full disk

    with pytest.raises(FileNotFoundError):
        SeriesStore(safe.data).keep(plain.name, kept)

    SeriesStore(safe.data).check(plain.name)
    assert read_slices(plain) == slices


def test_a_process_that_dies_between_two_slices_loses_none(
    safe: Safe, slices: list[bytes], plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left is the series, some of it encrypted; the next time all of it is."""
    kept = safe.keep(*slices)
    store, replace, moved = SeriesStore(safe.data), Path.replace, list[Path]()

    def replace_some(path: Path, target: Path) -> Path:
        if len(moved) == len(slices) // 2:
            raise OSError("the power is gone")
        moved.append(target)
        return replace(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", replace_some)
        with pytest.raises(OSError, match="power"):
            store.keep(plain.name, kept)

    store.check(plain.name)
    assert read_slices(plain) == slices
    store.keep(plain.name, kept)
    assert read_slices(plain) == slices
    assert count_files(safe.data) == Inventory(encrypted=len(slices), plain=0)


def test_a_series_is_whole_at_every_moment_in_which_it_is_kept_again(
    safe: Safe, slices: list[bytes], plain: Path
) -> None:
    """A worker that finds it missing or empty would fail the job for good."""
    store, ended = SeriesStore(safe.data), Event()

    def look() -> None:
        while True:
            assert read_slices(plain) == slices
            if ended.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            for _ in range(ROUNDS):
                for path in plain.iterdir():  # other files than the objects' own, again
                    copy = safe.data.parent / path.name
                    copy.write_bytes(path.read_bytes())
                    copy.replace(path)
                store.keep(plain.name, safe.keep(*slices))
        finally:
            ended.set()

        looking.result()


def test_what_no_sender_sent_does_not_stay_beside_the_slices(
    safe: Safe, slices: list[bytes], plain: Path
) -> None:
    """Else a series that somebody added a file to would be refused for ever."""
    (plain / "slice-0021.dcm").write_bytes(slices[0])

    SeriesStore(safe.data).keep(plain.name, safe.keep(*slices))

    SeriesStore(safe.data).check(plain.name)
    assert read_slices(plain) == slices
    assert list(SeriesStore(safe.data).staging.iterdir()) == []
