"""What of a data folder is encrypted by now, and what is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workers.encryption.seal import read_seal
from workers.encryption.vault import INSTANCES, RESULTS, SERIES


@dataclass(frozen=True)
class Inventory:
    """Numbers of files; those with several names count once."""

    encrypted: int
    plain: int


def count_files(data: Path) -> Inventory:
    """Of objects and results, as they lie on the disk; what goes meanwhile counts for nothing."""
    found: dict[tuple[int, int], bool] = {}
    for path in _find_files(data):
        try:
            with path.open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                found[status.st_dev, status.st_ino] = read_seal(file) is not None
        except FileNotFoundError:
            continue
    encrypted = sum(found.values())
    return Inventory(encrypted, len(found) - encrypted)


def _find_files(data: Path) -> Iterator[Path]:
    for top in (INSTANCES, SERIES, RESULTS):
        for folder, _, names in os.walk(data / top):
            yield from (Path(folder, name) for name in names)
