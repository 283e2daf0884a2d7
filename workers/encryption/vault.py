"""The data folder as one that may be encrypted: how its files are written, sealed and opened.

A file is encrypted from its first byte, under a key that only its process has. Once it is known
whose it is, that key is put before its content, wrapped by the key of its study and bound to the
place that the file was written for. What a process leaves that dies before opens for nobody.
"""

from __future__ import annotations

import hashlib
import os
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

from sqlalchemy import Engine, select

from contouring.errors import EncryptionKeyError, SealedFileError
from contouring.opened_files import drop_opener, use_opener
from workers.content_hash import ContentHash
from workers.durable_files import sync
from workers.encryption.chunks import CHUNK_BYTES, ChunkReader, ChunkWriter
from workers.encryption.seal import KEY_BYTES, SEAL_BYTES, Seal, open_seal, read_seal, seal_key
from workers.encryption.study_keys import StudyKeys
from workers.settings import Settings
from workers.tables import results, series

INSTANCES, SERIES, RESULTS, STAGING = "instances", "series", "results", "staging"
PIECE_BYTES = 2**20
SERIES_REMEMBERED = 64

_vaults: dict[Path, Vault] = {}
_created: dict[Path, bytes] = {}  # the keys of files that are not kept yet, of this process


class Vault:
    """One data folder; `keys`: of its database."""

    def __init__(self, engine: Engine, data: Path, keys: StudyKeys) -> None:
        self._engine, self._data, self.keys = engine, data.absolute(), keys
        self._series: dict[str, frozenset[str]] = {}

    @property
    def encrypts(self) -> bool:
        """Whether files are encrypted from now on."""
        return self.keys.has_master

    def close(self) -> None:
        """Open its files no longer."""
        drop_opener(self._data, self.open)
        if _vaults.get(self._data) is self:
            del _vaults[self._data]

    def seal(self, path: Path, study_uid: str, final: Path) -> None:
        """Make a file that was created here its study's; all of it is on the disk on return.

        `final`: the path that it is to have. It stays readable here until it is forgotten.
        """
        key = self.keys.take(study_uid)
        file_key = _created[path.absolute()]
        with path.open("r+b", buffering=0) as file:
            there = read_seal(file)
            if there is not None and there.key_id == key.id:
                return
            file.write(seal_key(file_key, key.id, key.secret, self._find_place(final)).pack())
            os.fsync(file.fileno())

    def seal_object(self, path: Path, study_uid: str, sha256: str) -> None:
        """The same of an object that came in."""
        self.seal(path, study_uid, self._data / INSTANCES / f"{sha256}.dcm")

    def holds(self, path: Path, study_uid: str) -> bool:
        """Whether a file is there, whole, that the study's present key opens."""
        with path.open("rb", buffering=0) as file:
            seal = read_seal(file)
        if seal is None or seal.key_id != self.keys.take(study_uid).id:
            return False
        try:
            with self.open(path.absolute()) as opened:
                while opened.read(PIECE_BYTES):
                    pass
        except SealedFileError:
            return False
        return True

    def open(self, path: Path) -> BufferedReader:
        """A file's content.

        Raises `SealedFileError` for what is not as it was written, or not where, and
        `EncryptionKeyError` without the master key.
        """
        file = FileIO(path)
        try:
            return self._open(file, path)
        except BaseException:
            file.close()
            raise

    def check_series(self, digest: str) -> None:
        """Raise `SealedFileError` unless a series' folder holds its objects, and nothing else.

        Each file is looked at: who cannot write what opens may still take away, or put in plain.
        """
        if not self.encrypts:
            return
        wanted = self._list_series(digest)
        found = [self._identify(path) for path in sorted((self._data / SERIES / digest).iterdir())]
        if wanted and sorted(found) != sorted(wanted):
            fault = "its files are not the objects of the series"
            raise SealedFileError(f"{SERIES}/{digest}", fault)

    def _open(self, file: FileIO, path: Path) -> BufferedReader:
        name = str(path.relative_to(self._data))
        if path.parts[len(self._data.parts)] == STAGING:
            key = _created.get(path)
            return _buffer(file if key is None else ChunkReader(file, key, SEAL_BYTES, name))
        seal = read_seal(file)
        if seal is None:
            self._check_plain(path, name)
            return _buffer(file)
        return _buffer(ChunkReader(file, self._unseal(seal, path, name), SEAL_BYTES, name))

    def _unseal(self, seal: Seal, path: Path, name: str) -> bytes:
        if not self.encrypts:
            raise EncryptionKeyError("a file is encrypted, and no file of keys is named")
        study_key = self.keys.find(seal.key_id)
        if study_key is None:
            raise SealedFileError(name, "its key is not in the database, or was destroyed")
        key = open_seal(seal, study_key.secret)
        if key is None:
            raise SealedFileError(name, "its head is not the one that was written")
        if not self._belongs(seal, path):
            raise SealedFileError(name, "it is another file, which belongs elsewhere")
        return key

    def _belongs(self, seal: Seal, path: Path) -> bool:
        if path.parts[len(self._data.parts)] == SERIES:
            return seal.place.hex() in self._list_series(path.parent.name)
        return seal.place == self._find_place(path)

    def _find_place(self, path: Path) -> bytes:
        """What an object is, whichever names it has; of a result its path."""
        name = path.absolute().relative_to(self._data)
        if name.parts[0] == INSTANCES:
            return bytes.fromhex(name.stem)
        return hashlib.sha256(name.as_posix().encode()).digest()

    def _identify(self, path: Path) -> str:
        """The checksum of an object, as its seal has it, or of its plain content."""
        with path.open("rb", buffering=0) as file:
            seal = read_seal(file)
        if seal is not None:
            self._unseal(seal, path, str(path.relative_to(self._data)))
            return seal.place.hex()
        content = ContentHash()
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                content.update(piece)
        return content.hexdigest()

    def _check_plain(self, path: Path, name: str) -> None:
        """A result from before encryption was turned on, and not one that was put in its place."""
        if not self.encrypts or path.parts[len(self._data.parts)] != RESULTS:
            return
        folder = path.parent.relative_to(self._data / RESULTS).as_posix()
        with self._engine.connect() as connection:
            query = select(results.c.files).where(results.c.folder == folder)
            files = connection.execute(query).scalar()
        if files is not None and files.get(path.name) != _hash(path):
            raise SealedFileError(name, "it is not encrypted, and not the one that was written")

    def _list_series(self, digest: str) -> frozenset[str]:
        """Checksums of a series' objects, which are what its name stands for; empty: unknown."""
        known = self._series.get(digest)
        if known is not None:
            return known
        with self._engine.connect() as connection:
            query = select(series.c.instances).where(series.c.digest == digest)
            found = connection.execute(query).scalar()
        listed = frozenset((found or {}).values())
        if listed:
            if len(self._series) >= SERIES_REMEMBERED:
                self._series.clear()
            self._series[digest] = listed
        return listed


def _buffer(raw: RawIOBase) -> BufferedReader:
    return BufferedReader(raw, CHUNK_BYTES)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_vault(settings: Settings, engine: Engine) -> Vault:
    """The data folder's, for all of this process; raises `EncryptionKeyError` without its keys."""
    keys = StudyKeys(engine, settings.encryption_key_file, settings.data, settings.orphan_seconds)
    keys.check()
    vault = Vault(engine, settings.data, keys)
    data = settings.data.absolute()
    _vaults[data] = vault
    use_opener(data, vault.open)
    return vault


def find_vault(path: Path) -> Vault | None:
    """Of the data folder that a path is in, where it encrypts its files."""
    whole = path.absolute()
    for data, vault in _vaults.items():
        if vault.encrypts and whole.is_relative_to(data):
            return vault
    return None


def create_file(path: Path, descriptor: int | None = None) -> BinaryIO:
    """A new file to be written, encrypted where its data folder is; `descriptor`: of it."""
    if find_vault(path) is None:
        return path.open("xb") if descriptor is None else os.fdopen(descriptor, "wb")
    file = FileIO(path, "xb") if descriptor is None else FileIO(descriptor, "wb")
    key = _created[path.absolute()] = os.urandom(KEY_BYTES)
    return cast("BinaryIO", ChunkWriter(file, key, SEAL_BYTES))


def forget_created(path: Path) -> None:
    """Of files that were created here at this path or below: they are gone, or have their place."""
    whole = path.absolute()
    if _created.pop(whole, None) is None:
        for one in [one for one in list(_created) if one.is_relative_to(whole)]:
            _created.pop(one, None)


def settle(path: Path, study_uid: str, sha256: str) -> None:
    """Wait until a staged object is on the disk, and is its study's where it is encrypted."""
    vault = find_vault(path)
    if vault is None:
        sync(path)
    else:
        vault.seal_object(path, study_uid, sha256)
