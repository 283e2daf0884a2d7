"""Results below the data folder: `results/<job>/<fence>/` holds all files of one attempt."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.durable_files import publish_folder, sync, write_file
from workers.encryption.vault import create_file, find_vault, forget_created


@dataclass(frozen=True)
class StoredResult:
    """Where an attempt's files are: a folder below the results; `files`: SHA-256 (hex) of each."""

    folder: str
    files: Mapping[str, str]


class ResultStore:
    """Files of finished attempts; the database says which folder is a job's result."""

    def __init__(self, data: Path) -> None:
        self._results = data / "results"
        self._results.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(
        self, job_id: str, fence: int, files: Mapping[str, bytes], study_uid: str = ""
    ) -> StoredResult:
        """Store an attempt's files, by name, so that they survive a loss of power.

        `study_uid`: whose key they are encrypted by, where the data folder is.
        """
        attempts = self._results / job_id
        attempts.mkdir(exist_ok=True, mode=0o700)
        sync(self._results)
        staged = Path(tempfile.mkdtemp(dir=attempts, prefix="staged-"))
        final = attempts / str(fence)
        for name, content in files.items():
            _write(staged / name, content, study_uid, final / name)
        publish_folder(staged, final)
        checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        return StoredResult(name_folder(job_id, fence), checksums)

    def drop(self, stored: StoredResult) -> None:
        """Remove the files of an attempt whose result nobody wants."""
        shutil.rmtree(self._results / stored.folder, ignore_errors=True)

    def find_file(self, folder: str, name: str) -> Path:
        """Path of a result's file."""
        return self._results / folder / name


def _write(path: Path, content: bytes, study_uid: str, final: Path) -> None:
    vault = find_vault(path)
    if vault is None:
        write_file(path, content)
        return
    with create_file(path) as file:
        file.write(content)
    vault.seal(path, study_uid, final)
    forget_created(path)


def name_folder(job_id: str, fence: int) -> str:
    """The folder of an attempt's files, below the results."""
    return f"{job_id}/{fence}"
