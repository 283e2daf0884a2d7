"""An encrypted series is read whole, of its own files, or refused."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import delete

from contouring.dicom_series import read_series
from contouring.errors import SealedFileError
from contouring.opened_files import read_file
from tests.workers.encryption.conftest import Safe
from workers.database import writing
from workers.series_store import SeriesStore
from workers.tables import study_keys

KeepSeries = Callable[[list[bytes]], str]


def test_what_comes_again_after_a_purge_takes_the_place_of_what_is_mute(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries
) -> None:
    """Until the purged files are swept they have the names that the new ones need."""
    digest = keep_series(slices)
    with writing(safe.engine).begin() as connection:
        connection.execute(delete(study_keys))
    safe.reopen()

    kept = safe.keep(*slices)
    SeriesStore(safe.data).keep(digest, kept)

    folder = SeriesStore(safe.data).find_folder(digest)
    assert [read_file(path) for path in kept] == slices
    assert [read_file(path) for path in sorted(folder.iterdir())] == slices
    assert list(SeriesStore(safe.data).staging.iterdir()) == []


def test_a_sound_series_is_read_by_the_data_path(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries, tmp_path: Path
) -> None:
    """Slices, pixels and all, through the same functions as plain ones."""
    digest = keep_series(slices)
    store = SeriesStore(safe.data)

    store.check(digest)
    series = read_series(store.find_folder(digest), has_known_names=False)
    plain = read_series(tmp_path / "ct", has_known_names=False)

    assert series.header == plain.header
    assert series.warnings == plain.warnings
    assert series.shape_zyx == (20, 64, 64)


def take_one_away(folder: Path, _other: Path) -> None:
    """The last one: no gap shows it."""
    max(folder.iterdir()).unlink()


def put_another_s(folder: Path, other: Path) -> None:
    """A sound slice of another study's series."""
    max(folder.iterdir()).unlink()
    (folder / "slice-0020.dcm").hardlink_to(min(other.iterdir()))


def put_a_plain_one(folder: Path, _other: Path) -> None:
    """A slice that was never sent."""
    content = read_file(max(folder.iterdir()))
    max(folder.iterdir()).unlink()
    (folder / "slice-0020.dcm").write_bytes(content[:-2] + b"\1\1")


def double_one(folder: Path, _other: Path) -> None:
    """Under a name that no slice has."""
    (folder / "slice-0021.dcm").hardlink_to(min(folder.iterdir()))


def put_one_twice(folder: Path, _other: Path) -> None:
    """In the place of another one of the same series."""
    max(folder.iterdir()).unlink()
    (folder / "slice-0020.dcm").hardlink_to(min(folder.iterdir()))


@pytest.mark.parametrize(
    "tamper", [take_one_away, put_another_s, put_a_plain_one, double_one, put_one_twice]
)
def test_a_series_whose_files_are_not_its_own_is_refused(
    tamper: Callable[[Path, Path], None],
    safe: Safe,
    slices: list[bytes],
    keep_series: KeepSeries,
) -> None:
    """It would be contoured as if it were what the sender sent."""
    digest, other = keep_series(slices), keep_series([of_another_study(one) for one in slices])
    store = SeriesStore(safe.data)
    store.check(other)

    tamper(store.find_folder(digest), store.find_folder(other))

    with pytest.raises(SealedFileError, match=f"series/{digest}"):
        store.check(digest)
    store.check(other)


def of_another_study(content: bytes) -> bytes:
    """The same slice of another patient's."""
    dataset = pydicom.dcmread(BytesIO(content))
    dataset.StudyInstanceUID, dataset.PatientID = "1.2.77", "another"
    dataset.SOPInstanceUID += ".77"
    changed = BytesIO()
    dataset.save_as(changed)
    return changed.getvalue()


def test_a_series_reads_no_file_of_another_one(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries
) -> None:
    """Also where nobody has looked at the folder as a whole."""
    digest, other = keep_series(slices), keep_series([of_another_study(one) for one in slices])
    store = SeriesStore(safe.data)
    place = store.find_folder(digest) / "slice-0001.dcm"
    place.unlink()
    place.hardlink_to(store.find_folder(other) / "slice-0001.dcm")

    with pytest.raises(SealedFileError, match="belongs elsewhere"):
        read_series(store.find_folder(digest))


def test_plain_slices_from_before_are_compared_with_their_checksums(
    safe: Safe, slices: list[bytes], keep_series: KeepSeries
) -> None:
    """A job that was sent before encryption was turned on runs after it."""
    off = safe.reopen(encryption_key_file=None)
    digest = keep_series(slices)
    off.close()
    safe.reopen()
    store = SeriesStore(safe.data)
    store.check(digest)
    last = max(store.find_folder(digest).iterdir())

    last.write_bytes(slices[-1][:-2] + b"\1\1")

    with pytest.raises(SealedFileError, match="not the objects of the series"):
        store.check(digest)
