"""A watched folder: files are taken once they are whole, and none is lost on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import EncapsulatedPDFStorage

from contouring.errors import StorageFullError
from service.context import Context, open_context
from service.folder_watcher import FolderWatcher
from service.watched_folder import WatchedFolder
from tests.hostile.crafted_dicom import nest, write_ct
from tests.workers.processes import wait_until
from workers.arrivals import ArrivalState
from workers.redis_server import RedisServer
from workers.settings import Settings

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder that a site gave to its senders."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    return inbox


@pytest.fixture
def open_with(tmp_path: Path, inbox: Path) -> Iterator[Callable[[str], Context]]:
    """A service whose sources' file has more to say of the folder."""
    opened = []

    def open_it(more: str = "", reserve_bytes: int = 0) -> Context:
        sources = tmp_path / "sources.yaml"
        sources.write_text(
            "format: 1\nsources:\n"
            f'  - {{name: inbox, kind: folder, folder: "{inbox}", quiet_seconds: 0{more}}}\n'
        )
        settings = Settings(
            data=tmp_path / "data",
            redis_url=RedisServer(tmp_path / "redis").url,
            sources=sources,
            reserve_bytes=reserve_bytes,
        )
        opened.append(open_context(settings))
        return opened[-1].__enter__()

    yield open_it
    for context in opened:
        context.__exit__(None, None, None)


def watch(context: Context) -> WatchedFolder:
    """The one folder of a service."""
    ((path, sender),) = context.sources.folders
    return WatchedFolder(path, sender, context)


def list_files(folder: Path) -> list[str]:
    """Names below a folder."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_a_file_is_taken_once_it_did_not_change_between_two_looks(
    open_with: Callable[..., Context], inbox: Path, series: list[Path]
) -> None:
    """Half a file is no object, and a share does not say when it is written to."""
    context = open_with()
    folder = watch(context)
    content = series[0].read_bytes()
    (inbox / "slice.dcm").write_bytes(content[:5000])

    folder.look()
    (inbox / "slice.dcm").write_bytes(content)
    folder.look()
    after_it_changed = list_files(inbox)
    folder.look()

    assert after_it_changed == ["slice.dcm"]
    assert list_files(inbox) == []
    ((arrival),) = context.arrivals.list_page(10)
    assert (arrival.source.name, arrival.received, arrival.has_ended) == ("inbox", 1, True)
    (kept,) = context.holdings.find()
    assert kept.path.read_bytes() == content


def test_a_whole_series_is_taken_from_folders_below(
    open_with: Callable[..., Context], inbox: Path, series: list[Path]
) -> None:
    """As programs export it: a folder for each patient."""
    context = open_with(", after: keep")
    folder = watch(context)
    for file in series:
        place = inbox / "patient" / "study" / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)

    folder.look()
    folder.look()
    folder.look()

    ((arrival),) = context.arrivals.list_page(10)
    assert (arrival.received, arrival.state) == (len(series), ArrivalState.RECEIVING)
    assert list_files(inbox) == [f"taken/patient/study/{file.name}" for file in sorted(series)]


def test_what_is_not_kept_is_put_aside_with_the_reason(
    open_with: Callable[..., Context], inbox: Path, series: list[Path]
) -> None:
    """Nothing is deleted that Oarlock has no copy of."""
    context = open_with()
    folder = watch(context)
    other = pydicom.dcmread(series[0])
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = MR
    other.Modality = "MR"
    other.save_as(inbox / "mr.dcm")
    (inbox / "notes.txt").write_text("no DICOM")
    (inbox / "empty.dcm").touch()

    folder.look()
    folder.look()

    assert list_files(inbox) == [
        *("refused/empty.dcm", "refused/empty.dcm.txt"),
        *("refused/mr.dcm", "refused/mr.dcm.txt"),
        *("refused/notes.txt", "refused/notes.txt.txt"),
    ]
    assert "It is no CT (MR)" in (inbox / "refused" / "mr.dcm.txt").read_text()
    assert "not a DICOM file" in (inbox / "refused" / "notes.txt.txt").read_text()


def test_an_object_over_a_limit_is_put_aside_and_the_series_taken(
    open_with: Callable[..., Context], inbox: Path, series: list[Path]
) -> None:
    """With the reason, whatever it is."""
    context = open_with()
    folder = watch(context)
    for file in series:
        shutil.copy(file, inbox)
    (inbox / "report.dcm").write_bytes(write_ct(nest(33), sop_class=EncapsulatedPDFStorage))

    folder.look()
    folder.look()

    assert list_files(inbox) == ["refused/report.dcm", "refused/report.dcm.txt"]
    assert "nested deeper than 32" in (inbox / "refused" / "report.dcm.txt").read_text()
    ((arrival),) = context.arrivals.list_page(10)
    assert (arrival.received, arrival.has_ended) == (len(series), True)


def test_a_name_that_is_refused_twice_keeps_both_files(
    open_with: Callable[..., Context], inbox: Path
) -> None:
    """The second one gets a number."""
    folder = watch(open_with())
    for words in ("one", "two"):
        (inbox / "notes.txt").write_text(words)
        folder.look()
        folder.look()

    assert (inbox / "refused" / "notes.txt").read_text() == "one"
    assert (inbox / "refused" / "notes-2.txt").read_text() == "two"


def test_links_and_unfinished_names_are_left_alone(
    open_with: Callable[..., Context], inbox: Path, series: list[Path], tmp_path: Path
) -> None:
    """A link could lead anywhere on the server's disk."""
    folder = watch(open_with())
    secret = tmp_path / "secret"
    secret.mkdir()
    shutil.copy(series[0], secret / "slice.dcm")
    (inbox / "file.dcm").symlink_to(secret / "slice.dcm")
    (inbox / "folder").symlink_to(secret)
    shutil.copy(series[1], inbox / ".slice.dcm.part")

    folder.look()
    folder.look()

    assert sorted(os.listdir(inbox)) == [".slice.dcm.part", "file.dcm", "folder"]
    assert list_files(secret) == ["slice.dcm"]


def test_files_stay_while_there_is_no_room_for_them(
    open_with: Callable[..., Context], inbox: Path, series: list[Path]
) -> None:
    """They are taken when there is room again."""
    folder = watch(open_with(reserve_bytes=2**60))
    shutil.copy(series[0], inbox)

    folder.look()
    with pytest.raises(StorageFullError):
        folder.look()

    assert list_files(inbox) == [series[0].name]


def test_a_folder_that_is_away_for_a_while_is_looked_at_when_it_is_back(
    open_with: Callable[..., Context],
    inbox: Path,
    series: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A share may not be mounted yet when the server starts."""
    monkeypatch.setattr("service.folder_watcher.LOOK_SECONDS", 0.05)
    inbox.rmdir()
    context = open_with()
    watcher = FolderWatcher(context)
    watcher.start()

    inbox.mkdir()
    shutil.copy(series[0], inbox)
    wait_until(lambda: bool(context.holdings.find()), "the file to be taken")
    watcher.stop()

    assert list_files(inbox) == []
