"""Makes a backup, also of a server that is serving.

A file is there before the first row that names it, and goes after the last. So the database is
copied first, and then the files that this copy names: each is there, unless it was purged in
between. Then all of it is done once more with what has changed; what the last copy of the database
does not name is not kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, inspect

from contouring.errors import BackupError, EncryptionKeyError, SealedFileError
from contouring.opened_files import Opener
from workers.backups.backup_list import BLOCK, About, hash_file, write_list
from workers.backups.database_copy import FILES, copying_database, name_kind, read_revision
from workers.backups.needed_files import NeededFiles, read_needed_files
from workers.content_hash import ContentHash
from workers.database import open_engine
from workers.durable_files import sync
from workers.encryption.seal import read_seal
from workers.encryption.study_keys import StudyKeys, count_by_master
from workers.encryption.vault import Vault
from workers.settings import Settings
from workers.tables import study_keys

ROUNDS = 3  # purges are rare: the second is the last
SETTINGS_FILES = ("rules", "sources", "destinations")

Show = Callable[[float], None]


@dataclass
class Backup:
    """What was copied; `missing` and `damaged`: what is not as the database says, at the source.

    `master_keys`: ids of those that encrypted files need, and that are kept elsewhere.
    """

    sums: dict[str, str] = field(default_factory=dict)
    byte_count: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    master_keys: tuple[str, ...] = ()


def make_backup(
    settings: Settings, folder: Path, version: str, now: datetime, show: Show = lambda _: None
) -> Backup:
    """Copy database, series, results and settings files into a new or empty folder.

    Raises `BackupError` where it cannot begin; what broke off has no list, and is no backup.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: name a new folder for each backup.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kind = name_kind(settings.sql_url)
    database = folder / FILES[kind]
    copier = _Copier(settings.data, folder, show, _build_opener(settings))
    for _ in range(ROUNDS):
        with copying_database(settings.sql_url, database) as connection:
            revision = read_revision(connection)
            needed = read_needed_files(connection)
            master_keys = _read_master_keys(connection)
        if copier.copy(needed) and not needed.find_missing(folder):
            break
    copier.remove_unneeded(needed)
    backup = copier.backup
    backup.master_keys = master_keys
    backup.missing = needed.find_missing(folder)
    backup.damaged = sorted(
        name for name, said in needed.sums.items() if copier.contents.get(name, said) != said
    )
    for name in SETTINGS_FILES:
        path = getattr(settings, name)
        if path is not None:
            copier.copy_file(path, f"settings/{name}.yaml")
    backup.sums[database.name] = hash_file(database)
    for one in folder.rglob("*"):
        if one.is_dir():
            sync(one)
    about = About(
        made_at=now,
        software_version=version,
        revision=revision,
        database=kind,
        settings=_name_settings(settings),
        missing=tuple(backup.missing),
        master_keys=master_keys,
    )
    write_list(folder, about, backup.sums)
    return backup


class _Copier:
    """Copies each file once; names of one file stay names of one file."""

    def __init__(self, data: Path, folder: Path, show: Show, opener: Opener | None) -> None:
        self._data, self._folder, self._show, self._opener = data, folder, show, opener
        self._copied: dict[tuple[int, ...], str] = {}
        self.backup = Backup()
        self.contents: dict[str, str] = {}  # the checksums that the database knows files by

    def copy(self, needed: NeededFiles) -> bool:
        """What was not copied in an earlier round; False if some of it was gone by then."""
        wanted = [name for name in needed.list_files(self._data) if name not in self.backup.sums]
        for number, name in enumerate(wanted, start=1):
            self.copy_file(self._data / name, name)
            self._show(number / len(wanted))
        return all(name in self.backup.sums for name in wanted)

    def copy_file(self, source: Path, name: str) -> None:
        """One file, on the disk when it returns; none if it was purged a moment ago."""
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with source.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                # Its number alone will not do: a new file may have that of one that was purged.
                known = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                earlier = self._copied.get(known)
                if earlier is not None and _link(self._folder / earlier, target):
                    self.backup.sums[name] = self.backup.sums[earlier]
                    if earlier in self.contents:
                        self.contents[name] = self.contents[earlier]
                    return
                is_encrypted = read_seal(file) is not None
                digest, content = hashlib.sha256(), ContentHash()
                with target.open("xb") as copy:
                    while block := file.read(BLOCK):
                        digest.update(block)
                        content.update(block)
                        copy.write(block)
                    copy.flush()
                    os.fsync(copy.fileno())
        except FileNotFoundError:
            return
        self.backup.sums[name] = digest.hexdigest()
        is_received = name.startswith("instances/")
        if is_encrypted:
            self._hash_encrypted(source, name, ContentHash() if is_received else hashlib.sha256())
        else:
            self.contents[name] = content.hexdigest() if is_received else digest.hexdigest()
        self.backup.byte_count += status.st_size
        self._copied[known] = name

    def _hash_encrypted(self, source: Path, name: str, digest: ContentHash | hashlib._Hash) -> None:
        """Of what it opens to; without the keys it is taken as it is."""
        if self._opener is None:
            return
        with suppress(FileNotFoundError, EncryptionKeyError):
            try:
                with self._opener(source.absolute()) as file:
                    while block := file.read(BLOCK):
                        digest.update(block)
                self.contents[name] = digest.hexdigest()
            except SealedFileError:
                self.contents[name] = "damaged"

    def remove_unneeded(self, needed: NeededFiles) -> None:
        """What was purged since: a backup must not keep what the site has forgotten."""
        wanted = needed.kept | needed.perhaps
        for name in list(self.backup.sums):
            if name not in wanted and name.rpartition("/")[0] not in wanted:
                (self._folder / name).unlink()
                del self.backup.sums[name]


def _build_opener(settings: Settings) -> Opener | None:
    """For what is encrypted; None without the keys, for a backup is made all the same."""
    engine = open_engine(settings.sql_url, is_pooled=False)
    key_file, data = settings.encryption_key_file, settings.data
    try:
        keys = StudyKeys(engine, key_file, data, settings.orphan_seconds)
    except EncryptionKeyError:
        return None
    return Vault(engine, data, keys).open


def _read_master_keys(connection: Connection) -> tuple[str, ...]:
    if not inspect(connection).has_table(study_keys.name):
        return ()  # a version that encrypted nothing
    return tuple(sorted(count_by_master(connection)))


def _link(earlier: Path, target: Path) -> bool:
    """Some file systems, on which backups are kept, know no links."""
    try:
        target.hardlink_to(earlier)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _name_settings(settings: Settings) -> dict[str, str]:
    """Paths as they were set; of what may hold a password, only that it was."""
    given = {name: getattr(settings, name) for name in sorted(settings.model_fields_set)}
    return {
        f"OARLOCK_{name.upper()}": str(value)
        if isinstance(value, Path) or name in ("models", "templates")
        else "set"
        for name, value in given.items()
    }
