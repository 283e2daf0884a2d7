"""Files that no row of the database points to: left by processes that died, or purged."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from workers.retention_store import Kept


def sweep_orphans(data: Path, kept: Kept, age_seconds: float) -> int:
    """Remove series and results that are not `kept`; how many folders that were.

    What was touched less than `age_seconds` ago may belong to a request or an attempt under way.
    """
    limit = time.time() - age_seconds
    trash = data / "staging"
    removed = 0
    for folder in (data / "series").glob("*"):
        if folder.name not in kept.series:
            removed += _remove(folder, trash, limit)
    for folder in (data / "results").glob("*"):
        if folder.name not in kept.folders:
            removed += _remove(folder, trash, limit)
            continue
        current = kept.folders[folder.name]
        for attempt in folder.iterdir():
            if f"{folder.name}/{attempt.name}" != current:
                removed += _remove(attempt, trash, limit)
    return removed


def _remove(folder: Path, trash: Path, limit: float) -> bool:
    """Moved away first: whoever keeps the same series again meanwhile finds it whole or gone."""
    moved = trash / f"orphan-{folder.parent.name}-{folder.name}"
    try:
        if folder.stat().st_mtime >= limit:
            return False
        folder.rename(moved)
        if moved.stat().st_mtime >= limit and not folder.exists():
            moved.rename(folder)  # touched between the two looks: somebody needs it
            return False
    except FileNotFoundError:
        return False
    shutil.rmtree(moved, ignore_errors=True)
    return True
