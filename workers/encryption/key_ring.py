"""The master keys of a site, in a file that no backup of ours holds; the last one is in use."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import EncryptionKeyError
from workers.durable_files import sync
from workers.encryption.seal import KEY_BYTES

PREFIX = "oarlock-master-1:"
HEAD = (
    "# Master keys of Oarlock's encryption at rest, the newest last. Whoever has this and the\n"
    "# database can read patients' files; without it nobody can, ever. Keep a copy elsewhere.\n"
)
OTHERS = 0o077
MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class KeyRing:
    """`keys`: by their ids, oldest first; an id tells nothing of its key."""

    keys: Mapping[str, bytes]

    @property
    def current(self) -> str:
        """The id of the key that new studies' keys are wrapped by."""
        return next(reversed(list(self.keys)))


def read_key_ring(path: Path, data: Path | None = None) -> KeyRing:
    """Raises `EncryptionKeyError` for a file that is missing, wrong, or readable by others.

    `data`: a folder that it must not lie in, for what protects a key must not be kept beside it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(MOST_BYTES)
    except OSError as error:
        raise EncryptionKeyError(f"{path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise EncryptionKeyError(f"{path} is no file")
    if status.st_mode & OTHERS:
        raise EncryptionKeyError(f"{path} can be read or changed by others: chmod 600 it")
    if data is not None and path.resolve().is_relative_to(data.resolve()):
        raise EncryptionKeyError(f"{path} is in the data folder: move it out of there")
    lines = content.decode("utf-8", "replace").splitlines()
    keys = [_read_key(line, path) for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise EncryptionKeyError(f"{path} holds no key: `oarlock encryption new-key` makes one")
    return KeyRing({name_key(key): key for key in keys})


def add_key(path: Path) -> str:
    """Make a key and put it last; the file is made where there is none. Returns the key's id."""
    is_there = path.exists()
    if is_there:
        read_key_ring(path)
    key = os.urandom(KEY_BYTES)
    before = path.read_text() if is_there else HEAD
    _write(path, f"{before.rstrip()}\n{_build_line(key)}")
    return name_key(key)


def forget_older_keys(path: Path, key_id: str) -> list[str]:
    """Remove the keys before this one; the ids of those that went."""
    keys = read_key_ring(path).keys
    ids = [*keys]
    first = ids.index(key_id)
    _write(path, HEAD + "".join(_build_line(keys[one]) for one in ids[first:]))
    return ids[:first]


def name_key(key: bytes) -> str:
    """A key's id: no two keys have the same, and it does not lead back to the key."""
    return hashlib.sha256(b"oarlock master key\0" + key).hexdigest()[:16]


def _build_line(key: bytes) -> str:
    return f"{PREFIX}{base64.b64encode(key).decode()}\n"


def _read_key(line: str, path: Path) -> bytes:
    try:
        key = base64.b64decode(line.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not line.startswith(PREFIX) or len(key) != KEY_BYTES:
        raise EncryptionKeyError(f"{path} has a line that is no key of Oarlock's")
    return key


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a key ring that breaks off would be the end of all files."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if path.exists():  # the server's user goes on to own it, whoever runs the command
            os.fchown(descriptor, path.stat().st_uid, path.stat().st_gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    sync(path.parent)
