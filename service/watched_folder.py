"""A folder that senders write files into: each is taken once it is whole."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import NotStorableError, UploadTooLargeError
from service.context import Context
from service.staged_files import StagedFile, StagedFileWriter
from workers.disk_space import check_space
from workers.early_syncs import EarlySyncs
from workers.instances import ReceivedInstance, identify
from workers.reception import Reception
from workers.source_book import Sender

TAKEN, REFUSED = "taken", "refused"
PIECE_BYTES = 1024 * 1024
AT_ONCE = 200  # files recorded in one transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Mark:
    """By which it shows that a file was written to."""

    size: int
    modified_ns: int
    inode: int


class _ChangedError(Exception):
    """A file that somebody writes to or took away while it is read."""


class WatchedFolder:
    """Looks at a folder now and then; a share tells nobody what is written to it.

    A file is taken when two looks in a row found it the same. Links are not followed, and names
    that begin with a dot are left alone: so programs call what they have not finished.
    """

    def __init__(self, folder: Path, sender: Sender, context: Context) -> None:
        self._folder = folder
        self._sender = sender
        self._context = context
        self._reception = self._open_reception()
        self._seen: dict[Path, _Mark] = {}
        self._left: dict[Path, _Mark] = {}  # files that are done with and could not be moved

    def look(self) -> None:
        """One look: take what did not change since the last one.

        Raises `OSError`, `SQLAlchemyError` and `StorageFullError`; the files are then still there.
        """
        found = {
            path: mark for path, mark in _find_files(self._folder) if self._left.get(path) != mark
        }
        ripe = [path for path, mark in found.items() if self._seen.get(path) == mark]
        self._seen = found
        for start in range(0, len(ripe), AT_ONCE):
            self._take(ripe[start : start + AT_ONCE])
        if ripe and len(ripe) == len(found):  # nothing is on its way any more
            self._reception.end()
            self._reception = self._open_reception()
            self._context.arriving.set()

    def _open_reception(self) -> Reception:
        context, sender = self._context, self._sender
        return Reception(
            context.instances, context.arrivals, sender.source, sender.entry.quiet_seconds
        )

    def _take(self, paths: list[Path]) -> None:
        limits = self._context.settings.dicom_limits
        with self._context.series.stage() as staging, EarlySyncs() as syncs:
            received: dict[Path, ReceivedInstance] = {}
            for number, path in enumerate(paths):
                try:
                    staged = self._copy(path, staging, number)
                    instance = identify(staged.path, staged.sha256, limits)
                    received[path] = self._context.identities.hide(instance)
                except _ChangedError:
                    self._seen.pop(path, None)
                except (NotStorableError, UploadTooLargeError) as error:
                    self._refuse(path, str(error))
            if not received:
                return
            syncs.finish(one.path for one in received.values() if one.is_ct and one.sent is None)
            self._reception.keep(list(received.values()))
        for path, instance in received.items():
            self._put_away(path, instance)

    def _copy(self, path: Path, staging: Path, number: int) -> StagedFile:
        limits = self._context.settings
        mark = self._seen[path]
        check_space(staging, mark.size, limits.reserve_bytes)
        if mark.size > limits.upload_bytes:
            raise UploadTooLargeError("The file", f"{limits.upload_bytes} bytes")
        writer = StagedFileWriter(staging, number, path.name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise _ChangedError from error
        with os.fdopen(descriptor, "rb") as source:
            while piece := source.read(PIECE_BYTES):
                writer.write(piece)
            if _read_mark(os.fstat(source.fileno())) != mark:
                raise _ChangedError
        return writer.close()

    def _put_away(self, path: Path, instance: ReceivedInstance) -> None:
        if not instance.is_ct:
            kind = instance.modality or "an object without a modality"
            self._refuse(path, f"It is no CT ({kind}): nothing is contoured, and it is not kept.")
        elif self._sender.entry.after == "keep":
            self._move(path, TAKEN)
        else:
            try:
                path.unlink()
            except OSError as error:
                self._leave(path, error)

    def _refuse(self, path: Path, reason: str) -> None:
        moved = self._move(path, REFUSED)
        if moved is not None:
            log.warning("a file of the watched folder %s is refused", self._folder)
            moved.with_name(f"{moved.name}.txt").write_text(f"{reason}\n")

    def _move(self, path: Path, where: str) -> Path | None:
        try:
            place = self._folder / where / path.relative_to(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            number = 1
            while place.exists():
                number += 1
                place = place.with_name(f"{path.stem}-{number}{path.suffix}")
            path.rename(place)
        except OSError as error:
            self._leave(path, error)
            return None
        return place

    def _leave(self, path: Path, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            log.error(
                "a file of the watched folder %s stays there, for it cannot be moved (%s): give "
                "the server the right to write there",
                self._folder,
                error.strerror,
            )
        self._left[path] = self._seen[path]


def _find_files(folder: Path, depth: int = 0) -> Iterator[tuple[Path, _Mark]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.name.startswith(".") or (depth == 0 and entry.name in (TAKEN, REFUSED)):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    yield from _find_files(Path(entry.path), depth + 1)
                elif stat.S_ISREG(found.st_mode):
                    yield Path(entry.path), _read_mark(found)
            except FileNotFoundError:
                continue  # gone between two looks


def _read_mark(found: os.stat_result) -> _Mark:
    return _Mark(found.st_size, found.st_mtime_ns, found.st_ino)
