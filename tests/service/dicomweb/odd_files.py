"""Odd DICOM of others: what comes with pydicom, and the real scans beside the repository."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pydicom.data

from tests.conftest import REPOSITORY

REAL_FILES = REPOSITORY.parent / "shared" / "dicom"


def read_odd_files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each, whether it is DICOM or not; those of zips one by one."""
    folder = Path(pydicom.data.__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield str(path.relative_to(folder)), path.read_bytes()
    for path in sorted(REAL_FILES.glob("*")):
        yield path.name, path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir():
                        yield f"{path.name}/{entry.filename}", archive.read(entry)
