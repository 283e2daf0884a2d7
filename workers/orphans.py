"""Files that no row of the database points to: left by processes that died, or purged."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from workers.retention_store import Kept


def sweep_orphans(data: Path, kept: Kept, age_seconds: float) -> int:
    """Remove what is not `kept` of objects, series and results; how many of them that were.

    What was touched less than `age_seconds` ago may belong to a request or an attempt under way.
    """
    limit = time.time() - age_seconds
    trash = data / "staging"
    removed = 0
    for file in (data / "instances").glob("*"):
        if file.stem not in kept.instances:
            removed += _remove(file, trash, limit)
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


def _remove(path: Path, trash: Path, limit: float) -> bool:
    """Moved away first: whoever keeps the same series again meanwhile finds it whole or gone."""
    moved = trash / f"orphan-{path.parent.name}-{path.name}"
    try:
        if path.stat().st_mtime >= limit:
            return False
        path.rename(moved)
        if moved.stat().st_mtime >= limit and not path.exists():
            moved.rename(path)  # touched between the two looks: somebody needs it
            return False
    except FileNotFoundError:
        return False
    if moved.is_dir():
        shutil.rmtree(moved, ignore_errors=True)
    else:
        moved.unlink(missing_ok=True)
    return True
