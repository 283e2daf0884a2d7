"""What a backup is: `backup.json` says what of, `SHA256SUMS` names every file, and comes last."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contouring.errors import BackupError
from workers.durable_files import sync, write_file

ABOUT, SUMS = "backup.json", "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)")  # as sha256sum writes and checks it
BLOCK = 1 << 20


class About(BaseModel):
    """`revision`: of the schema; `settings`: the variables that were set, files by their paths.

    `missing`: what rows named and the data folder had lost; `master_keys`: ids of those that its
    encrypted files need, which are not in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    made_at: datetime
    software_version: str
    revision: Annotated[str, Field(pattern=r"^\w{1,32}$")]
    database: Literal["sqlite", "postgresql"]
    settings: dict[str, str]
    missing: tuple[str, ...] = ()
    master_keys: tuple[str, ...] = ()


def write_list(folder: Path, about: About, sums: Mapping[str, str]) -> None:
    """Once every file is on the disk; without this a folder is no backup."""
    text = about.model_dump_json(indent=2).encode()
    write_file(folder / ABOUT, text)
    listed = {**sums, ABOUT: hashlib.sha256(text).hexdigest()}
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(listed.items())]
    write_file(folder / SUMS, "".join(lines).encode())
    sync(folder)


def read_list(folder: Path) -> tuple[About, dict[str, str]]:
    """What it is of, and the checksum of each file; raises `BackupError` for anything else."""
    sums = dict(_read_sums(folder))
    if ABOUT not in sums or hash_file(folder / ABOUT) != sums.pop(ABOUT):
        raise BackupError(f"{folder / ABOUT} is missing or damaged.")
    try:
        return About.model_validate_json((folder / ABOUT).read_bytes()), sums
    except ValidationError as error:
        raise BackupError(f"{folder / ABOUT} was written by another version: {error}") from error


def hash_file(path: Path) -> str:
    """SHA-256, or nothing if there is no such file."""
    if not path.is_file() or path.is_symlink():
        return ""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _read_sums(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / SUMS
    if not path.is_file():
        raise BackupError(
            f"{folder} is no backup, or one that was never finished: it has no {SUMS}."
        )
    for line in path.read_text(errors="replace").splitlines():
        match = LINE.fullmatch(line)
        # A name must not lead out of the folder, nor out of the data folder that it is put into.
        if match is None or not set(match[2].split("/")).isdisjoint({"", ".", ".."}):
            raise BackupError(f"{path} is damaged: {line[:100]!r}.")
        yield match[2], match[1]
