"""Puts a backup back: all of it is compared before anything is touched, and the database is last.

Until then the server has no row that names a file which is not there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import redis

from contouring.errors import BackupError, DataLockedError
from workers.backups.backup_list import About, hash_file, read_list
from workers.backups.database_copy import (
    FILES,
    count_others,
    holds_rows,
    knows_revision,
    name_kind,
    restore_database,
)
from workers.data_lock import owning_data
from workers.durable_files import sync
from workers.redis_urls import build_socket_url
from workers.settings import Settings

ENDING_SECONDS = 5.0  # of a connection whose process has just ended
OURS = ("instances", "series", "results")

Show = Callable[[str, float], None]


@dataclass(frozen=True)
class Restored:
    """`set_aside`: where what was there before lies now."""

    about: About
    file_count: int
    set_aside: Path | None


def verify_backup(folder: Path, show: Show = lambda *_: None) -> tuple[About, dict[str, str]]:
    """Compare every file; raises `BackupError` with those that are damaged or missing."""
    about, sums = read_list(folder)
    if FILES[about.database] not in sums:
        raise BackupError(f"{folder} is damaged: its list names no database.")
    damaged = []
    for number, (name, sha256) in enumerate(sorted(sums.items()), start=1):
        if hash_file(folder / name) != sha256:
            damaged.append(name)
        show("verify", number / len(sums))
    if damaged:
        more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        raise BackupError(f"{folder} is damaged: {', '.join(damaged[:5])}{more}.")
    return about, sums


def restore_backup(
    settings: Settings,
    folder: Path,
    now: datetime,
    *,
    replace: bool = False,
    show: Show = lambda *_: None,
) -> Restored:
    """Put files and database where the settings say; a start then brings the schema up to date.

    What is there already is refused, or with `replace` set aside; a database on PostgreSQL is then
    overwritten. Raises `BackupError` before anything is changed.
    """
    about, sums = verify_backup(folder, show)
    _check_fit(settings, about)
    with _owning(settings):
        return _restore(settings, folder, now, (about, sums), replace=replace, show=show)


def _restore(
    settings: Settings,
    folder: Path,
    now: datetime,
    listed: tuple[About, dict[str, str]],
    *,
    replace: bool,
    show: Show,
) -> Restored:
    about, sums = listed
    present = _find_present(settings)
    if (present or holds_rows(settings.sql_url)) and not replace:
        raise BackupError(
            f"{settings.data} or its database is not empty: to put the backup in place of what is "
            "there, say so (--replace)."
        )
    aside = settings.data / f"replaced-{now:%Y%m%dT%H%M%S}" if present else None
    if aside is not None:
        aside.mkdir(mode=0o700)
        for path in present:
            shutil.move(path, aside / path.name)
    files = {name: sha256 for name, sha256 in sums.items() if name.split("/")[0] in OURS}
    _put_files(folder, settings.data, files, show)
    restore_database(settings.sql_url, folder / FILES[about.database])
    return Restored(about, len(files), aside)


def _check_fit(settings: Settings, about: About) -> None:
    kind = name_kind(settings.sql_url)
    if about.database != kind:
        raise BackupError(
            f"it holds a database of {about.database}, and OARLOCK_DATABASE_URL names {kind}."
        )
    if not knows_revision(about.revision):
        raise BackupError(
            f"it was made by a newer version ({about.software_version}, schema {about.revision}): "
            "install that one."
        )


@contextmanager
def _owning(settings: Settings) -> Iterator[None]:
    """Have data folder and database to itself; the signs beside the lock are those of machines
    that reach the folder without it."""
    socket = settings.data.resolve() / "redis" / "redis.sock"
    deadline = time.monotonic() + ENDING_SECONDS
    with ExitStack() as held:
        while True:
            with suppress(DataLockedError), ExitStack() as trying:
                trying.enter_context(owning_data(settings.data))
                if not _answers(build_socket_url(socket)) and not count_others(settings.sql_url):
                    held.enter_context(trying.pop_all())
                    break
            if time.monotonic() > deadline:
                raise BackupError("a server or a worker is running on the target: stop it first.")
            time.sleep(0.1)
        yield


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _find_present(settings: Settings) -> list[Path]:
    """What a server wrote; folders of it that are empty count for nothing."""
    found = [settings.data / name for name in OURS]
    found = [path for path in found if path.is_dir() and any(path.iterdir())]
    if name_kind(settings.sql_url) == "sqlite" and holds_rows(settings.sql_url):
        database = settings.sql_url.removeprefix("sqlite:///")
        beside = (f"{database}{end}" for end in ("", "-wal", "-shm"))
        found += [path for one in beside if (path := Path(one)).exists()]
    queue = settings.data / "redis"
    return [*found, queue] if queue.is_dir() else found


def _put_files(folder: Path, data: Path, files: dict[str, str], show: Show) -> None:
    """Names of one content in `series` and `instances` become names of one file, as they were."""
    first: dict[str, Path] = {}
    for number, (name, sha256) in enumerate(sorted(files.items()), start=1):
        target = data / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sha256 in first and not name.startswith("results/"):
            target.hardlink_to(first[sha256])
        else:
            _copy(folder / name, target, sha256)
            first.setdefault(sha256, target)
        show("restore", number / len(files))
    for top in OURS:
        (data / top).mkdir(exist_ok=True, mode=0o700)
        for one in (data / top).rglob("*"):
            if one.is_dir():
                sync(one)
        sync(data / top)
    sync(data)


def _copy(source: Path, target: Path, sha256: str) -> None:
    with source.open("rb") as file, target.open("xb") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        os.fsync(copy.fileno())
    if hash_file(target) != sha256:
        raise BackupError(f"{target} could not be written as {source} has it.")
