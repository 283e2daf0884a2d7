"""CT series below the data folder: staged, synced, renamed; the same series is kept once."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from workers.durable_files import publish_folder, sync
from workers.encryption.vault import find_vault, forget_created

STAGING_SECONDS = 3600.0
"""Age at which a staged folder belongs to a process that died."""


class SeriesStore:
    """Folders `series/<digest>` with files `slice-0001.dcm` and so on, in the order given.

    `incoming`: where what comes in is staged, if not in the data folder, which others may read.
    """

    def __init__(self, data: Path, incoming: Path | None = None) -> None:
        self._series = data / "series"
        self._staging = data / "staging"
        self._incoming = incoming or self._staging
        for folder in (self._series, self._staging, self._incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def staging(self) -> Path:
        """Where files are written as they come in; old ones are swept."""
        return self._incoming

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """An empty folder for what comes in, gone at the end of the block."""
        with _open_folder(self._incoming) as folder:
            yield folder

    def keep(self, digest: str, files: Sequence[Path]) -> None:
        """Give files that are kept a series' folder of their own, too; it survives a loss of power.

        Their contents take no second place: the names in the folder are links.
        """
        final = self._series / digest
        encrypts = find_vault(final) is not None
        # It is needed again, whatever was about to sweep it.
        if _touch(final) and (not encrypts or _are_links(final, files)):
            return
        with _open_folder(self._staging) as staged:
            for number, file in enumerate(files, start=1):
                _name_slice(staged, number).hardlink_to(file)
            if not publish_folder(staged, final) and encrypts:
                _replace_files(final, staged)  # they are plain, or their key was destroyed

    def check(self, digest: str) -> None:
        """Raise `SealedFileError` where the files of an encrypted series are not its own."""
        vault = find_vault(self._series)
        if vault is not None:
            vault.check_series(digest)

    def find_folder(self, digest: str) -> Path:
        """Where the files of a kept series are."""
        return self._series / digest

    def sweep(self) -> None:
        """Remove what dead processes left staged."""
        oldest = time.time() - STAGING_SECONDS
        for left in chain(*(folder.iterdir() for folder in {self._staging, self._incoming})):
            if _read_age_mark(left) >= oldest:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _are_links(folder: Path, files: Sequence[Path]) -> bool:
    try:
        return all(
            _name_slice(folder, number).samefile(file) for number, file in enumerate(files, start=1)
        )
    except FileNotFoundError:
        return False


def _replace_files(folder: Path, staged: Path) -> None:
    """One by one: an earlier job may be reading the same slices there, or wait to.

    A name has the same content before and after, since slices are ordered by what they hold, and is
    never missing. Were the folder exchanged as a whole, who had just opened the one before would
    find it empty.
    """
    names = {file.name for file in staged.iterdir()}
    for name in names:
        (staged / name).replace(folder / name)
    for file in folder.iterdir():
        if file.name not in names:
            file.unlink()
    sync(folder)


def _name_slice(folder: Path, number: int) -> Path:
    return folder / f"slice-{number:04d}.dcm"


@contextmanager
def _open_folder(place: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        forget_created(folder)


def _touch(folder: Path) -> bool:
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _read_age_mark(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return time.time()
