"""Series and results on disk: whole, or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from workers import series_store
from workers.result_store import ResultStore
from workers.series_store import SeriesStore


def _stage(store: SeriesStore, folder: Path, contents: list[bytes]) -> list[Path]:
    files = [folder / f"file-{number}" for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return files


def test_a_series_is_kept_in_order_under_its_digest(tmp_path: Path) -> None:
    """Messages about a file then say which slice it is."""
    store = SeriesStore(tmp_path)
    with store.stage() as folder:
        store.keep("digest", _stage(store, folder, [b"first", b"second"]))

    kept = {path.name: path.read_bytes() for path in store.find_folder("digest").iterdir()}

    assert kept == {"slice-0001.dcm": b"first", "slice-0002.dcm": b"second"}


def test_a_series_sent_again_is_kept_once(tmp_path: Path) -> None:
    """Nothing is overwritten under a job that reads it."""
    store = SeriesStore(tmp_path)
    for _ in range(2):
        with store.stage() as folder:
            store.keep("digest", _stage(store, folder, [b"first"]))

    assert [path.name for path in (tmp_path / "series").iterdir()] == ["digest"]
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_series_that_cannot_be_written_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails must not leave half a series that looks like a whole one."""

    def fail(_staged: Path, _final: Path) -> bool:
        raise OSError("no space left on device")

    monkeypatch.setattr(series_store, "publish_folder", fail)
    store = SeriesStore(tmp_path)

    with store.stage() as folder, pytest.raises(OSError, match="no space"):
        store.keep("digest", _stage(store, folder, [b"first"]))

    assert list((tmp_path / "series").iterdir()) == []
    assert list((tmp_path / "staging").iterdir()) == []


def test_stored_patient_data_is_for_the_server_alone(tmp_path: Path) -> None:
    """Other users of the machine have no business with it."""
    SeriesStore(tmp_path)
    ResultStore(tmp_path)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert modes == {"series": 0o700, "staging": 0o700, "results": 0o700}


def test_the_files_of_an_attempt_are_together(tmp_path: Path) -> None:
    """An RTSTRUCT and the preview of another attempt would not match."""
    store = ResultStore(tmp_path)

    stored = store.keep("job", 3, {"a.rtstruct.dcm": b"structures", "preview.png": b"picture"})

    assert stored.folder == "job/3"
    assert store.find_file(stored.folder, "a.rtstruct.dcm").read_bytes() == b"structures"
    assert store.find_file(stored.folder, "preview.png").read_bytes() == b"picture"
    assert stored.files["preview.png"] == hashlib.sha256(b"picture").hexdigest()


def test_a_dropped_attempt_leaves_nothing(tmp_path: Path) -> None:
    """Its worker was given up; another attempt's files stay."""
    store = ResultStore(tmp_path)
    kept, dropped = (store.keep("job", fence, {"preview.png": b"picture"}) for fence in (1, 2))

    store.drop(dropped)

    assert store.find_file(kept.folder, "preview.png").exists()
    assert [path.name for path in (tmp_path / "results" / "job").iterdir()] == ["1"]
