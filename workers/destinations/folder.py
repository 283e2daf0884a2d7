"""A folder that something else watches: a file is whole under its name, or not there."""

from __future__ import annotations

import errno
import filecmp
import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from contouring.errors import DeliveryError
from workers.destinations.parcels import Parcel
from workers.durable_files import sync

DEFAULT_NAME = "{sop_instance_uid}.dcm"
STAGED = ".oarlock-"
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class FolderReceiver:
    """A folder, which must exist; `name`: with `{sop_instance_uid}` in it, and safe characters.

    `mode`: of the files; the server's own are its user's alone, but these are for somebody else.
    """

    path: Path
    name: str = DEFAULT_NAME
    mode: int = 0o640

    def send(self, parcel: Parcel) -> str:
        """Copy it beside its place, and give it its name once it is on the disk."""
        final = self.path / self._build_name(parcel)
        try:
            if final.exists():
                return _compare(final, parcel)
            self._write(final, parcel.file)
        except OSError as error:
            raise DeliveryError(_explain(self.path, error)) from error
        return ""

    def probe(self) -> str:
        """Whether a file can be written there."""
        try:
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=STAGED):
                return "a file can be written there."
        except OSError as error:
            raise DeliveryError(_explain(self.path, error)) from error

    def _build_name(self, parcel: Parcel) -> str:
        return self.name.format(
            sop_instance_uid=UNSAFE.sub("_", parcel.sop_instance_uid),
            job_id=parcel.job_id,
            template=UNSAFE.sub("_", parcel.template),
        )

    def _write(self, final: Path, file: Path) -> None:
        staged = self.path / f"{STAGED}{secrets.token_hex(8)}"
        try:
            with staged.open("xb") as target, file.open("rb") as source:
                shutil.copyfileobj(source, target)
                target.flush()
                _open_to_others(target.fileno(), self.mode)
                os.fsync(target.fileno())
            staged.rename(final)
        except OSError:
            staged.unlink(missing_ok=True)
            raise
        _sync_folder(self.path)


def _compare(final: Path, parcel: Parcel) -> str:
    if filecmp.cmp(final, parcel.file, shallow=False):
        return "it was there already."
    raise DeliveryError("a file of this name with other contents is there; it was left alone.")


def _open_to_others(descriptor: int, mode: int) -> None:
    """Some network shares have modes of their own, for all their files."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL, errno.ENOTSUP):
            raise


def _sync_folder(folder: Path) -> None:
    """Some network shares know no such thing; there the server answers for what was renamed."""
    try:
        sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _explain(folder: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no folder {folder}; is its share mounted?"
    return f"{folder} cannot be written to ({error.strerror})."
